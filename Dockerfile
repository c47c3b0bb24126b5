# Berth in an image that holds one static binary, root certificates and an empty data folder, nothing else.
#
#   docker build -t berth .
#   docker run -d --name berth -p 127.0.0.1:5000:5000 -v berth-data:/data berth

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# A target must be named, or the flag would also apply to build scripts and procedural macros, which cannot be static.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --package berth --target "$target" \
 && install -D "target/$target/release/berth" /image/berth \
 && install -d -m 0700 /image/data

FROM scratch
COPY --from=build /image/berth /berth
# Whom the server believes when it asks others (a provider of sign-ins); the build image has them.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# The owner of a new volume is the owner of this folder: a user without a name and without rights.
COPY --from=build --chown=65532:65532 --chmod=0700 /image/data /data
USER 65532:65532

# Inside a container every client comes over a network, also those on this machine: listening on loopback alone would
# answer nobody. So the container listens on all of its addresses, and says that this is meant. Until there is an account
# (docker exec -it berth /berth user add NAME --admin), who reaches the port may push, pull and delete. Whom that is, is
# decided by how the port is published:
#   -p 127.0.0.1:5000:5000   this machine alone
#   -p 5000:5000             everybody who reaches this machine
ENV BERTH_LISTEN=0.0.0.0:5000 \
    BERTH_OPEN_TO_NETWORK=true \
    BERTH_DATA=/data

EXPOSE 5000
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["/berth"]
CMD ["serve"]
