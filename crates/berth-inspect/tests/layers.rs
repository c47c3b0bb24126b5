//! Layers honest and hostile, read by the library.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use berth_inspect::{
    ChangeKind, Compression, Kind, LayerIndex, Limits, Stop, Tree, difference, display_name, index, read_file,
};
use flate2::write::GzEncoder;
use proptest::prelude::*;

/// A header with content, filled up to whole blocks.
fn entry(name: &[u8], kind: u8, content: &[u8], target: &[u8]) -> Vec<u8> {
    let mut out = header(name, kind, content.len() as u64, target);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn header(name: &[u8], kind: u8, size: u64, target: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    block[100..107].copy_from_slice(b"0000644");
    if size < 0o777_7777_7777 {
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    } else {
        block[124..136].copy_from_slice(&[&[0x80, 0, 0, 0], &size.to_be_bytes()[..]].concat());
    }
    block[136..147].copy_from_slice(b"00000000001");
    block[156] = kind;
    block[157..157 + target.len().min(100)].copy_from_slice(&target[..target.len().min(100)]);
    block[257..265].copy_from_slice(b"ustar\x0000");
    sign(&mut block);
    block
}

fn sign(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

fn file(name: &str, content: &str) -> Vec<u8> {
    entry(name.as_bytes(), b'0', content.as_bytes(), b"")
}

fn folder(name: &str) -> Vec<u8> {
    entry(name.as_bytes(), b'5', b"", b"")
}

fn link(name: &str, target: &str) -> Vec<u8> {
    entry(name.as_bytes(), b'2', b"", target.as_bytes())
}

fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = entries.concat();
    out.resize(out.len() + 1024, 0);
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).unwrap();
        content.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
    }
    entry(b"pax", b'x', &content, b"")
}

fn read(bytes: &[u8]) -> LayerIndex {
    index(bytes, &Limits::default())
}

fn paths(index: &LayerIndex) -> Vec<String> {
    index.entries.iter().map(|entry| display_name(&entry.path)).collect()
}

#[test]
fn a_layer_is_read_however_it_is_packed() {
    let plain = tar(&[folder("etc/"), file("./etc/hosts", "127.0.0.1 localhost\n"), link("/bin", "usr/bin")]);
    let halves = plain.split_at(700);
    let skippable =
        [b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zstd::bulk::compress(&plain, 1).unwrap()].concat();
    for (bytes, compression) in [
        (plain.clone(), Compression::None),
        (gzip(&plain), Compression::Gzip),
        ([gzip(halves.0), gzip(halves.1)].concat(), Compression::Gzip),
        (zstd::bulk::compress(&plain, 3).unwrap(), Compression::Zstd),
        (skippable, Compression::Zstd),
    ] {
        let index = read(&bytes);
        assert_eq!((index.compression, &index.stopped), (compression, &None));
        assert_eq!(paths(&index), ["etc", "etc/hosts", "bin"]);
        let hosts = &index.entries[1];
        let content =
            read_file(&bytes[..], hosts.offset.unwrap(), hosts.size, 100, &Limits::default()).unwrap();
        assert_eq!(content, b"127.0.0.1 localhost\n");
        let some = read_file(&bytes[..], hosts.offset.unwrap(), hosts.size, 9, &Limits::default()).unwrap();
        assert_eq!(some, b"127.0.0.1");
    }
}

#[test]
fn long_names_and_sizes_come_from_extensions() {
    let long = format!("{}/file", "folder".repeat(40));
    let bytes = tar(&[
        entry(b"././@LongLink", b'L', format!("{long}\0").as_bytes(), b""),
        file("short", "a"),
        pax(&[("path", "über/pax"), ("mtime", "1.5")]),
        file("ignored", "b"),
        pax(&[("linkpath", "/some/where")]),
        link("l", "x"),
        file("plain", "c"),
    ]);
    let index = read(&bytes);
    assert_eq!(paths(&index), [long.as_str(), "über/pax", "l", "plain"]);
    assert_eq!(index.entries[2].target, b"/some/where");
}

#[test]
fn a_pax_size_hides_no_file() {
    // The header says 0, the record 512: a reader that believes the header would see what is inside as an entry.
    let inside = file("hidden", "");
    let mut bytes = pax(&[("size", "512")]);
    bytes.extend(header(b"outer", b'0', 0, b""));
    bytes.extend(&inside);
    bytes.extend(tar(&[file("after", "x")]));
    let index = read(&bytes);
    assert_eq!((paths(&index), index.stopped), (vec!["outer".to_owned(), "after".to_owned()], None));
}

/// Where readers of archives disagree, what is shown is what Go's unpacks. Each of these hid a file, or showed one that
/// nobody unpacks.
#[test]
fn what_is_shown_is_what_is_unpacked() {
    let evil = || file("evil", "x");
    let after = |head: Vec<u8>, rest: Vec<Vec<u8>>| paths(&read(&tar(&[vec![head], rest].concat())));
    assert_eq!(after(pax(&[("path", "")]), vec![evil()]), ["evil"], "an empty name is none");
    let replaced = vec![pax(&[("path", "a")]), header(b"x", b'0', 0, b""), evil()];
    assert_eq!(
        after(pax(&[("size", "512")]), replaced),
        ["a", "evil"],
        "another pax header takes the place of the first"
    );
    let mut padded = header(b"a", b'0', 0, b"");
    padded[124..136].copy_from_slice(b"\x000000001000\0");
    sign(&mut padded);
    assert_eq!(
        after([padded, header(b"evil", b'0', 0, b"")].concat(), vec![file("next", "")]),
        ["a", "next"],
        "a zero byte begins a number"
    );
    assert_eq!(after(file("tmp/../etc/evil", "x"), vec![]), ["etc/evil"]);
    let named = vec![pax(&[("path", "nice")]), file("short", "x")];
    assert_eq!(after(entry(b"././@LongLink", b'L', b"evil\0", b""), named), ["evil"], "GNU's name wins");
    assert_eq!(
        after(pax(&[("GNU.sparse.name", "nice")]), vec![evil()]),
        ["evil"],
        "no form of a file with holes"
    );
    let sparse = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "nice"),
        ("GNU.sparse.realsize", "9"),
    ];
    assert_eq!(after(pax(&sparse), vec![evil()]), ["nice"]);
    for broken in [pax(&[("size", "1.5")]), pax(&[("path", "a\0b")])] {
        assert_eq!(read(&tar(&[broken, evil()])).stopped, Some(Stop::Broken));
    }
    let gap = [file("a", ""), vec![0; 512], evil(), vec![0; 1024]].concat();
    assert_eq!(read(&gap).stopped, Some(Stop::Broken), "one block of zeros is no end");
}

#[test]
fn layers_are_written_through_links() {
    let below = read(&tar(&[
        folder("usr/bin"),
        file("usr/bin/sh", "x"),
        link("bin", "usr/bin"),
        file("old/file", "x"),
    ]));
    let above = read(&tar(&[file("bin/new", "y"), file("bin/.wh.sh", "")]));
    let tree = Tree::of(&[&below, &above]);
    let all: Vec<_> = tree.iter().map(|(path, _)| display_name(path)).collect();
    assert_eq!(all, ["bin", "old/file", "usr/bin", "usr/bin/new"]);
    assert_eq!(tree.resolve(b"bin/new").as_deref(), Some(&b"usr/bin/new"[..]));
}

/// A few kilobytes that name deep paths must not become a hundred megabytes, or seconds.
#[test]
fn the_weight_of_names_is_bounded() {
    let long =
        |n: usize| entry(b"././@LongLink", b'L', format!("{}/{n}\0", "d".repeat(4000)).as_bytes(), b"");
    let many: Vec<_> = (0..2000).flat_map(|n| [long(n), file("x", "")]).collect();
    let limits = Limits { weight: 1 << 20, ..Limits::default() };
    let index = index(&tar(&many)[..], &limits);
    assert_eq!(index.stopped, Some(Stop::Weight));
    assert!(index.weight() <= 1 << 20 && index.entries.len() > 200);
    let kept = index.to_bytes();
    assert!(kept.len() < index.weight() / 10, "names that begin alike are kept once: {}", kept.len());
    let deep = entry(b"././@LongLink", b'L', "d/".repeat(2000).as_bytes(), b"");
    assert_eq!(read(&tar(&[deep, file("x", "")])).skipped, 1);
}

#[test]
fn packed_nothing_takes_its_time_too() {
    let nothing = gzip(b"").repeat(200_000);
    let limits = Limits { time: Duration::from_millis(20), ..Limits::default() };
    let began = Instant::now();
    assert_eq!(index(&nothing[..], &limits).stopped, Some(Stop::Time));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_leads_out_is_left_out_and_what_is_odd_is_shown() {
    let bytes = tar(&[
        file("../../etc/passwd", "x"),
        file("a/../../b", "x"),
        entry(b"hard", b'1', b"", b"../../etc/shadow"),
        file("/abs", "x"),
        entry(b"bad\xff\nname", b'0', b"x", b""),
        link("out", "../../../etc/passwd"),
        entry(b"device", b'3', b"", b""),
        entry(b"linked", b'1', b"ignored content of a link has no size", b"abs"),
    ]);
    let index = read(&bytes);
    assert_eq!(index.skipped, 3);
    assert_eq!(paths(&index)[..4], ["abs", "bad\\xff\\u{a}name", "out", "device"]);
}

/// Each is ended by its own limit, keeps what came before, and costs little.
#[test]
fn bombs_are_stopped_and_what_came_before_is_kept() {
    let first = file("first", "1");
    let zeros = |gib: u64| std::io::repeat(0).take(gib << 30);
    let limits = Limits { entries: 1000, unpacked: 64 << 20, ..Limits::default() };
    let begun = |rest: Vec<u8>| [first.clone(), rest].concat();
    let many = (0..2000).map(|n| file(&format!("f{n}"), "")).collect::<Vec<_>>().concat();
    let long = "n".repeat(70_000);
    let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(30).unwrap();
    wide.long_distance_matching(true).unwrap();
    wide.write_all(&vec![7; 1 << 20]).unwrap();
    let wide = wide.finish().unwrap();
    let mut broken = begun(file("second", "2"));
    broken[1024 + 150] ^= 0x55;
    let deep = tar(&[entry(b"././@LongLink", b'L', "d/".repeat(2000).as_bytes(), b""), file("x", "")]);
    let cases: Vec<(&str, Vec<u8>, Option<Stop>)> = vec![
        ("many entries", begun(many), Some(Stop::Entries)),
        (
            "a long name",
            begun([entry(b"././@LongLink", b'L', long.as_bytes(), b""), file("x", "")].concat()),
            Some(Stop::LongName),
        ),
        ("a name of 10 GiB", begun(header(b"././@LongLink", b'L', 10 << 30, b"")), Some(Stop::LongName)),
        ("a size of 8 EiB", begun(header(b"big", b'0', u64::MAX >> 1, b"")), Some(Stop::Cut)),
        ("a size beyond all", begun(header(b"big", b'0', u64::MAX, b"")), Some(Stop::Broken)),
        ("cut", begun(header(b"cut", b'0', 5000, b"")), Some(Stop::Cut)),
        (
            "cut gzip",
            {
                let g = gzip(&tar(&[first.clone(), file("b", &"x".repeat(9000))]));
                g[..g.len() - 30].to_vec()
            },
            Some(Stop::Cut),
        ),
        ("damaged", broken, Some(Stop::Broken)),
        ("pax without an end", begun(entry(b"p", b'x', b"99 path=", b"")), Some(Stop::Broken)),
        ("deep", deep, None),
        ("a window of 1 GiB", wide, Some(Stop::Broken)),
        ("xz", b"\xfd7zXZ\0more".to_vec(), Some(Stop::Packed { how: "xz" })),
        ("nothing", Vec::new(), Some(Stop::NoArchive)),
        ("no archive", b"just some text that is no layer at all".repeat(40), Some(Stop::NoArchive)),
        ("zeros", vec![0; 4096], None),
    ];
    for (name, bytes, stopped) in cases {
        let began = Instant::now();
        let index = index(&bytes[..], &limits);
        assert_eq!(index.stopped, stopped, "{name}");
        assert!(
            bytes.get(..5) != Some(b"first") || paths(&index).first().is_some_and(|p| p == "first"),
            "{name}"
        );
        assert!(began.elapsed() < Duration::from_secs(10), "{name}");
    }
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&begun(header(b"zeros", b'0', 10 << 30, b""))).unwrap();
    std::io::copy(&mut zeros(1).take(200 << 20), &mut packed).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(index(&packed[..], &Limits { unpacked: u64::MAX, ..limits }).stopped, Some(Stop::Ratio));
    assert_eq!(index(&packed[..], &Limits { ratio: u64::MAX, ..limits }).stopped, Some(Stop::Unpacked));
    let slow = Limits { time: Duration::ZERO, ..Limits::default() };
    assert_eq!(index(&packed[..], &slow).stopped, Some(Stop::Time));
}

#[test]
fn a_file_with_holes_has_its_real_size() {
    let mut sparse = header(b"holes", b'S', 512, b"");
    sparse[257..265].copy_from_slice(b"ustar  \0");
    sparse[482] = 1;
    sparse[483..494].copy_from_slice(b"77777777777");
    sign(&mut sparse);
    let bytes = tar(&[[sparse, vec![0; 512], vec![1; 512]].concat(), file("after", "x")]);
    let index = read(&bytes);
    assert_eq!(paths(&index), ["holes", "after"]);
    assert_eq!((index.entries[0].size, index.entries[0].offset), (0o777_7777_7777, None));
}

#[test]
fn layers_lie_over_each_other() {
    let below = read(&tar(&[
        folder("a"),
        file("a/one", "1"),
        file("a/two", "22"),
        file("b", "333"),
        file("d/x", "x"),
        file("e", "e"),
    ]));
    let above =
        read(&tar(&[file("a/.wh.one", ""), file("b/inner", "4444"), file(".wh.d", ""), file("e", "E")]));
    let top = read(&tar(&[file("a/.wh..wh..opq", ""), file("a/new", "5")]));
    let tree = Tree::of(&[&below, &above, &top]);
    let all: Vec<_> = tree.iter().map(|(path, found)| (display_name(path), found.layer)).collect();
    let expected =
        [("a", 0), ("a/new", 2), ("b/inner", 1), ("e", 1)].map(|(path, layer)| (path.to_owned(), layer));
    assert_eq!(all, expected);
    let listed: Vec<_> =
        tree.list(b"").unwrap().iter().map(|l| (display_name(l.name), l.is_folder, l.size)).collect();
    assert_eq!(listed, [("a".to_owned(), true, 1), ("b".to_owned(), true, 4), ("e".to_owned(), false, 1)]);
    assert_eq!(tree.list(b"e"), None);
    let single = Tree::single(&above, 1);
    assert_eq!(single.get(b"a/one").unwrap().entry.kind, Kind::Whiteout);
    let before = Tree::of(&[&below]);
    let changes = difference(&before, &tree);
    let told: Vec<_> = changes.changes.iter().map(|c| (display_name(c.path), c.kind)).collect();
    let expected = [
        ("a/new", ChangeKind::Added),
        ("a/one", ChangeKind::Removed),
        ("a/two", ChangeKind::Removed),
        ("b", ChangeKind::Removed),
        ("b/inner", ChangeKind::Added),
        ("d/x", ChangeKind::Removed),
        ("e", ChangeKind::Changed),
    ];
    assert_eq!(told, expected.map(|(path, kind)| (path.to_owned(), kind)));
    assert_eq!((changes.added, changes.removed, changes.changed), ((2, 5), (4, 7), (1, 1)));
    assert!(difference(&tree, &tree).changes.is_empty());
}

#[test]
fn links_lead_within_the_image_and_never_in_circles() {
    let index = read(&tar(&[
        file("usr/bin/sh", "x"),
        link("bin", "usr/bin"),
        link("usr/bin/bash", "/bin/sh"),
        link("up", "../../../usr"),
        link("a", "b"),
        link("b", "a"),
        link("gone", "nowhere"),
        entry(b"hard", b'1', b"", b"usr/bin/sh"),
    ]));
    let tree = Tree::of(&[&index]);
    let leads = |path: &str| tree.resolve(path.as_bytes()).map(|path| display_name(&path));
    assert_eq!(leads("bin/bash").as_deref(), Some("usr/bin/sh"));
    assert_eq!(leads("up/bin/sh").as_deref(), Some("usr/bin/sh"));
    assert_eq!(leads("hard").as_deref(), Some("usr/bin/sh"));
    assert_eq!(leads("bin").as_deref(), Some("usr/bin"));
    for nowhere in ["a", "b", "gone", "bin/nothing"] {
        assert_eq!(leads(nowhere), None, "{nowhere}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..3000), at in 0_usize..2000, byte in any::<u8>()) {
        let _ = read(&bytes);
        let mut near = tar(&[folder("a"), pax(&[("path", "b")]), file("x", "content"), link("l", "a")]);
        let at = at % near.len();
        near[at] = byte;
        let index = read(&near);
        let _ = Tree::of(&[&index]).list(b"");
        let mut packed = gzip(&near);
        let at = at % packed.len();
        packed[at] = byte;
        let _ = read(&packed);
    }

    /// Against the plainest model: a map of whole paths, changed entry by entry.
    #[test]
    fn merging_is_as_by_hand(layers in prop::collection::vec(prop::collection::vec((0_u8..5, "[ab](/[ab]){0,2}"), 0..8), 0..4)) {
        let mut model: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        let mut indexes = Vec::new();
        for (n, layer) in layers.iter().enumerate() {
            let below = |path: &str, other: &str| other.starts_with(&format!("{path}/"));
            for (kind, path) in layer {
                match kind {
                    3 => model.retain(|other, _| other != path && !below(path, other)),
                    4 => model.retain(|other, _| !below(path, other)),
                    _ => {}
                }
            }
            let mut entries = Vec::new();
            for (kind, path) in layer {
                let (parent, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(p, n)| (p, n));
                let slash = if parent.is_empty() { "" } else { "/" };
                match kind {
                    0 | 1 => {
                        model.retain(|other, (_, folder)| !below(path, other) && (*folder || !below(other, path)));
                        model.insert(path.clone(), (n, false));
                        entries.push(file(path, "x"));
                    }
                    2 => {
                        model.retain(|other, (_, folder)| *folder || !below(other, path));
                        model.insert(path.clone(), (n, true));
                        entries.push(folder(path));
                    }
                    3 => entries.push(file(&format!("{parent}{slash}.wh.{name}"), "")),
                    _ => entries.push(file(&format!("{path}/.wh..wh..opq"), "")),
                }
            }
            indexes.push(read(&tar(&entries)));
        }
        let tree = Tree::of(&indexes.iter().collect::<Vec<_>>());
        let found: BTreeMap<_, _> = tree.iter().map(|(path, found)| (display_name(path), (found.layer, found.entry.kind == Kind::Folder))).collect();
        prop_assert_eq!(found, model);
    }
}
