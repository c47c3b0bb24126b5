//! The process that reads layers, fed with what must not harm anybody.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use berth_inspect::{LayerIndex, Limits, Source, Stop, Worker};

fn worker() -> Worker {
    Worker { program: env!("CARGO_BIN_EXE_berth").into(), limits: Limits::default() }
}

fn gzip(bytes: &[u8], times: u64) -> Vec<u8> {
    let mut child =
        Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    let mut pipe = child.stdin.take().expect("a pipe");
    let bytes = bytes.to_vec();
    let feeder = std::thread::spawn(move || {
        for _ in 0..times {
            pipe.write_all(&bytes).expect("gzip reads");
        }
    });
    let packed = child.wait_with_output().expect("gzip ends").stdout;
    feeder.join().expect("it was fed");
    packed
}

fn header(name: &str, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = b'0';
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    let mut out = header(name, content.len() as u64);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn index(bytes: Vec<u8>) -> LayerIndex {
    worker().index(Source::Bytes(bytes)).expect("a worker")
}

#[test]
fn a_layer_is_read_and_a_file_of_it_is_opened() {
    let layer = [file("etc/hosts", b"localhost\n"), vec![0; 1024]].concat();
    let read = index(layer.clone());
    assert_eq!((read.entries.len(), &read.stopped), (1, &None));
    let offset = read.entries[0].offset.expect("a place");
    let content = worker().file(Source::Bytes(layer.clone()), offset, 10, 1000).expect("its content");
    assert_eq!(content, b"localhost\n");
    assert!(worker().file(Source::Bytes(layer), 1 << 40, 10, 1000).is_err(), "no such place");
}

/// What is made to harm whoever unpacks it is stopped, soon, and what came before it is kept.
#[test]
fn bombs_end_the_worker_and_nothing_else() {
    let zeros = vec![0; 1 << 20];
    let huge = [gzip(&file("first", b"1"), 1), gzip(&header("zeros", 0o77_7777_7777), 1), gzip(&zeros, 512)]
        .concat();
    let many = gzip(&(0..1000).flat_map(|n| file(&format!("f{n}"), b"")).collect::<Vec<_>>(), 600);
    let random =
        (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>();
    for (name, layer, stopped) in [
        ("ten gigabytes of zeros", huge, Stop::Ratio),
        ("six hundred thousand files", many, Stop::Entries),
        ("noise", random, Stop::NoArchive),
        ("nothing", Vec::new(), Stop::NoArchive),
    ] {
        let began = Instant::now();
        let read = index(layer);
        assert_eq!(read.stopped, Some(stopped), "{name}");
        assert!(began.elapsed() < Duration::from_secs(60), "{name} took {:?}", began.elapsed());
    }
}

#[test]
fn a_worker_that_takes_too_much_is_ended_and_says_so() {
    let layer = [file("a", b"1"), vec![0; 1024]].concat();
    let small = Worker { limits: Limits { memory: 1 << 20, ..Limits::default() }, ..worker() };
    let read = small.index(Source::Bytes(layer.clone())).expect("an answer");
    assert_eq!(read.stopped, Some(Stop::Killed), "a megabyte is not enough to begin");
    let none = Worker { program: "/no/such/program".into(), ..worker() };
    assert!(none.index(Source::Bytes(layer)).is_err());
}

#[test]
fn a_worker_can_write_and_open_no_file_and_start_no_process() {
    // Its limits, as the system tells them while it waits for its input.
    let mut child = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["inspect-layer", "536870912,25000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a worker");
    let told = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).ok()?;
        limits.contains("Max file size             0").then_some(())?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
        status.contains("Seccomp:\t2").then_some(limits)
    });
    let told = told.expect("its limits are set before it reads");
    for limit in
        ["Max processes             0", "Max core file size        0", "Max address space         536870912"]
    {
        assert!(told.contains(limit), "{limit} is not in {told}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("its state");
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}
