//! The table of options.

use super::setting::Setting;

/// The option with this key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Every option there is, by section, in reading order.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        default: "127.0.0.1:5000",
        example: "0.0.0.0:5000",
        summary: "Address and port to listen on.",
        details: "A host name is looked up once, at the start. Port 0 takes a free port, and the first line that the \
                  server prints names it.",
        common: true,
        slot: |config| &mut config.listen,
    },
    Setting {
        key: "open_to_network",
        default: "false",
        example: "true",
        summary: "While there is no account, let everybody who can reach the address push, pull and delete.",
        details: "Without this, a server that other machines can reach serves nothing until the first account is made, \
                  by the link that it prints or by `berth user add NAME --admin`. With accounts it has no effect.",
        common: true,
        slot: |config| &mut config.open_to_network,
    },
    Setting {
        key: "external_url",
        default: "",
        example: "https://registry.example.com",
        summary: "The address that clients use, if it is not the one that they send.",
        details: "It is where clients are sent for tokens, and what links begin with. Without it, each client is \
                  answered with the address that it used itself, which is right unless a proxy changes it.",
        common: false,
        slot: |config| &mut config.external_url,
    },
    Setting {
        key: "trusted_proxies",
        default: "",
        example: "10.0.0.0/8, 192.168.1.7",
        summary: "Networks of proxies whose word about a client's address counts.",
        details: "From these, `Forwarded`, or `X-Forwarded-For`, `-Proto` and `-Host`, tell who the client is and by which \
                  address it came. From others these headers are ignored.",
        common: false,
        slot: |config| &mut config.trusted_proxies,
    },
    Setting {
        key: "data",
        default: "./berth-data",
        example: "/var/lib/berth",
        summary: "Folder that holds everything: blobs and the embedded database.",
        details: "It is made if it is missing, readable by its owner alone. One server uses it at a time. It can be \
                  moved to another place or machine while no server uses it.",
        common: true,
        slot: |config| &mut config.data,
    },
    Setting {
        key: "mirror",
        default: "",
        example: "docker.io, quay.io",
        summary: "Public registries whose images are had through this server.",
        details: "Known by name are docker.io, quay.io, ghcr.io, gcr.io, registry.k8s.io, mcr.microsoft.com and \
                  public.ecr.aws. Others, and what is to be set of them, are added with `berth mirror add`.",
        common: true,
        slot: |config| &mut config.mirror,
    },
    Setting {
        key: "mirror_listen",
        default: "",
        example: "0.0.0.0:5001",
        summary: "Address for clients that take this server for Docker Hub (Docker's `registry-mirrors`).",
        details: "Bare names are images of Docker Hub there. Everybody who can reach it may pull what is public of the \
                  mirrored registries, and nothing else: nobody is asked for a password, since clients would send the \
                  one that they have for Docker Hub.",
        common: false,
        slot: |config| &mut config.mirror_listen,
    },
    Setting {
        key: "secret_key_file",
        default: "",
        example: "/etc/berth/secret.key",
        summary: "File with the key that seals the passwords of upstreams; `secret.key` in the data folder when empty.",
        details: "32 random bytes, made if the file is missing. Servers that share a database need the same one.",
        common: false,
        slot: |config| &mut config.secret_key_file,
    },
    Setting {
        key: "drain",
        default: "1m",
        example: "5m",
        summary: "How long requests in flight may finish after SIGTERM.",
        details: "New connections are refused meanwhile. What is still running afterwards is cut; uploads can be \
                  resumed. A second signal ends the server at once.",
        common: false,
        slot: |config| &mut config.drain,
    },
    Setting {
        key: "tls.cert",
        default: "",
        example: "/etc/berth/tls.crt",
        summary: "Certificate chain (PEM) for HTTPS; plain HTTP when empty.",
        details: "The server's certificate first, then the intermediate ones. The file is read again when it changes.",
        common: true,
        slot: |config| &mut config.tls.cert,
    },
    Setting {
        key: "tls.key",
        default: "",
        example: "/etc/berth/tls.key",
        summary: "Private key (PEM) of the certificate.",
        details: "",
        common: true,
        slot: |config| &mut config.tls.key,
    },
    Setting {
        key: "log.level",
        default: "info",
        example: "info,berth_http=debug",
        summary: "What to log: off, error, warn, info, debug or trace.",
        details: "Levels by module are written as `info,berth_http=debug`. The log goes to standard error.",
        common: true,
        slot: |config| &mut config.log.level,
    },
    Setting {
        key: "log.format",
        default: "text",
        example: "json",
        summary: "How to log: text for people, json for machines.",
        details: "",
        common: true,
        slot: |config| &mut config.log.format,
    },
    Setting {
        key: "log.requests",
        default: "false",
        example: "true",
        summary: "Log one line for each request.",
        details: "It is written when the answer has been sent: method, path, status, bytes, time.",
        common: true,
        slot: |config| &mut config.log.requests,
    },
    Setting {
        key: "database.url",
        default: "",
        example: "postgres://berth@db.example/berth",
        summary: "PostgreSQL server to use instead of the embedded database.",
        details: "Empty means the embedded database (SQLite) in the data folder. A password in the address is never \
                  shown or logged; give it by file or environment, since other users can see the flags of a process.",
        common: false,
        slot: |config| &mut config.database.url,
    },
    Setting {
        key: "storage.reserve",
        default: "64MiB",
        example: "10GiB",
        summary: "Free disk space below which uploads are refused.",
        details: "Pulls and deletes go on. 0 turns the check off.",
        common: false,
        slot: |config| &mut config.storage.reserve,
    },
    Setting {
        key: "uploads.expire",
        default: "24h",
        example: "7d",
        summary: "Forget an unfinished upload that nobody has continued for this long.",
        details: "Until then it can be resumed, also after a restart.",
        common: false,
        slot: |config| &mut config.uploads.expire,
    },
    Setting {
        key: "uploads.at_once",
        default: "256",
        example: "64",
        summary: "Uploads that may receive bytes at one time.",
        details: "Others wait a moment, and are then asked to come back later (429).",
        common: false,
        slot: |config| &mut config.uploads.at_once,
    },
    Setting {
        key: "images.sparse",
        default: "indexes",
        example: "refuse",
        summary: "What an image may lack when it is pushed.",
        details: "`indexes`: a multi-platform image may lack platforms, so that people can copy only those they need \
                  and keep the digest of the whole. `all`: an image may lack layers too, and cannot be pulled until \
                  somebody pushes them. `refuse`: nothing may be missing. What is refused is answered with \
                  MANIFEST_BLOB_UNKNOWN.",
        common: false,
        slot: |config| &mut config.images.sparse,
    },
    Setting {
        key: "delete.enabled",
        default: "true",
        example: "false",
        summary: "Let clients delete tags, manifests, blobs and repositories.",
        details: "",
        common: false,
        slot: |config| &mut config.delete.enabled,
    },
    Setting {
        key: "delete.trash",
        default: "14d",
        example: "30d",
        summary: "How long deleted and overwritten images can be restored.",
        details: "Their space is free after that, without a stop. `berth trash empty` frees it at once.",
        common: false,
        slot: |config| &mut config.delete.trash,
    },
    Setting {
        key: "clean.grace",
        default: "24h",
        example: "48h",
        summary: "How long a layer that no image names yet is kept for the push that it belongs to.",
        details: "The time begins anew when a client is told that the layer exists. Shorter than a push takes, and the \
                  first layers of a slow push are gone when its last one arrives.",
        common: false,
        slot: |config| &mut config.clean.grace,
    },
    Setting {
        key: "clean.interval",
        default: "1m",
        example: "5m",
        summary: "Time between two cycles of cleaning.",
        details: "A cycle looks only at what is due, in small steps.",
        common: false,
        slot: |config| &mut config.clean.interval,
    },
    Setting {
        key: "page.enabled",
        default: "true",
        example: "false",
        summary: "Serve the page for people: browse, search, delete, administer.",
        details: "Without it there is the API alone.",
        common: false,
        slot: |config| &mut config.page.enabled,
    },
    Setting {
        key: "page.root",
        default: "",
        example: "/berth",
        summary: "The path below which a proxy serves the page.",
        details: "The proxy may take it off the path or leave it. Clients such as docker need /v2/ and /token at the root \
                  of the host whatever this says.",
        common: false,
        slot: |config| &mut config.page.root,
    },
    Setting {
        key: "openid.issuer",
        default: "",
        example: "https://id.example.com",
        summary: "An OpenID provider where people sign in to the page instead of with a password.",
        details: "Its address, exactly as its tokens name it. At the provider, allow the address \
                  https://HOST/sign-in/openid/callback. docker goes on using passwords and access tokens.",
        common: false,
        slot: |config| &mut config.openid.issuer,
    },
    Setting {
        key: "openid.client_id",
        default: "",
        example: "berth",
        summary: "The name by which the provider knows this server.",
        details: "",
        common: false,
        slot: |config| &mut config.openid.client_id,
    },
    Setting {
        key: "openid.client_secret",
        default: "",
        example: "a secret of the provider",
        summary: "The secret that goes with it, if the provider gave one.",
        details: "Better in the environment than in a file that others read.",
        common: false,
        slot: |config| &mut config.openid.client_secret,
    },
    Setting {
        key: "openid.name",
        default: "OpenID",
        example: "Acme",
        summary: "What the button says: Sign in with NAME.",
        details: "",
        common: false,
        slot: |config| &mut config.openid.name,
    },
    Setting {
        key: "openid.user_name_claim",
        default: "preferred_username",
        example: "email",
        summary: "What of the provider's answer becomes the name of a new user.",
        details: "Of an address of mail the part before the @ is taken.",
        common: false,
        slot: |config| &mut config.openid.user_name_claim,
    },
    Setting {
        key: "openid.ca_file",
        default: "",
        example: "/etc/berth/ca.pem",
        summary: "Further certificates that the provider's may be signed by.",
        details: "",
        common: false,
        slot: |config| &mut config.openid.ca_file,
    },
    Setting {
        key: "openid.makes_users",
        default: "false",
        example: "true",
        summary: "Make a user of everybody whom the provider vouches for.",
        details: "Without it an identity must be linked by a user who signed in with a password. Only with a provider \
                  whose every account may have one here.",
        common: false,
        slot: |config| &mut config.openid.makes_users,
    },
    Setting {
        key: "limits.connections",
        default: "8192",
        example: "1024",
        summary: "Connections open at one time.",
        details: "Never more than the open files that the system allows, less a reserve for the server itself.",
        common: false,
        slot: |config| &mut config.limits.connections,
    },
    Setting {
        key: "limits.connections_per_address",
        default: "256",
        example: "2048",
        summary: "Connections open at one time from one address.",
        details: "Raise it when many clients arrive through one proxy. Loopback addresses are not counted.",
        common: false,
        slot: |config| &mut config.limits.connections_per_address,
    },
    Setting {
        key: "limits.header_timeout",
        default: "10s",
        example: "30s",
        summary: "How long a client may take to send the head of a request, or a TLS handshake.",
        details: "",
        common: false,
        slot: |config| &mut config.limits.header_timeout,
    },
    Setting {
        key: "limits.idle_timeout",
        default: "310s",
        example: "75s",
        summary: "How long a connection may stay open between requests.",
        details: "Some clients keep the connection of an upload for five minutes and fail if it is closed before.",
        common: false,
        slot: |config| &mut config.limits.idle_timeout,
    },
    Setting {
        key: "limits.progress",
        default: "160KiB",
        example: "1MiB",
        summary: "Bytes that a request or an answer must move in each progress window.",
        details: "Slower transfers are cut, and can be resumed. There is no time limit for a whole transfer.",
        common: false,
        slot: |config| &mut config.limits.progress,
    },
    Setting {
        key: "limits.progress_window",
        default: "5m",
        example: "1m",
        summary: "The time over which progress is measured.",
        details: "A pause shorter than this survives; a transfer that trickles does not.",
        common: false,
        slot: |config| &mut config.limits.progress_window,
    },
    Setting {
        key: "limits.header_size",
        default: "32KiB",
        example: "64KiB",
        summary: "Largest head of a request.",
        details: "",
        common: false,
        slot: |config| &mut config.limits.header_size,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_default_and_example_can_be_read() {
        for setting in SETTINGS {
            for text in [setting.default, setting.example] {
                let mut config = Config::default();
                assert!((setting.slot)(&mut config).read(text).is_ok(), "{} = {text}", setting.key);
            }
            assert_ne!(setting.default, setting.example, "{}", setting.key);
        }
    }

    #[test]
    fn every_option_has_its_own_place() {
        for setting in SETTINGS {
            let mut config = Config::default();
            (setting.slot)(&mut config).read(setting.example).expect("examples are right");
            for other in SETTINGS.iter().filter(|other| other.key != setting.key) {
                let untouched = (other.slot)(&mut Config::default()).literal();
                assert_eq!(
                    (other.slot)(&mut config).literal(),
                    untouched,
                    "{} and {}",
                    setting.key,
                    other.key
                );
            }
        }
    }

    #[test]
    fn names_are_derived() {
        let setting = find("limits.idle_timeout").expect("it is in the table");
        assert_eq!(setting.variable(), "BERTH_LIMITS_IDLE_TIMEOUT");
        assert_eq!(setting.flag(), "limits-idle-timeout");
        assert_eq!((setting.section(), setting.name()), ("limits", "idle_timeout"));
    }

    #[test]
    fn summaries_are_one_sentence() {
        for setting in SETTINGS {
            assert!(
                setting.summary.ends_with('.') && setting.summary.matches(". ").count() == 0,
                "{}",
                setting.key
            );
            assert!(setting.details.is_empty() || setting.details.ends_with('.'), "{}", setting.key);
        }
    }

    /// Kubernetes sets these for a Service that is called `berth`; no option may ever collide with them.
    #[test]
    fn no_variable_collides_with_service_links() {
        for setting in SETTINGS {
            let variable = setting.variable();
            assert!(!super::super::load::is_service_link(&variable), "{variable}");
        }
    }
}
