//! Filesystems that can lose power: images behind loop devices, cut by an ioctl that drops what was not flushed.
//!
//! Everything is mounted in a mount namespace of this process alone. When the process ends, in whatever way, the
//! kernel unmounts it all and frees the loop devices.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// Set in the process that was started again inside its own mount namespace.
const INSIDE: &str = "BERTH_CRASH_NAMESPACE";
/// The server's database in its data folder.
const DATABASE: &str = "berth.db";
/// The folder of a run has this and the process id as its name.
const RUN: &str = "run-";
/// Sparse, so only what is written takes room; XFS wants 300 MiB at least.
const IMAGE_BYTES: u64 = 640 << 20;
/// `FS_IOC_SHUTDOWN` with `NOLOGFLUSH` on each argument: neither data nor journal in memory reaches the device.
/// It opens everything first, says so, and cuts when it gets a line; without one it ends and nothing is cut.
/// Perl because every Debian and Fedora has it, and because this workspace forbids `unsafe`.
const CUT: &str = r#"$| = 1; my $how = pack("L", 2);
my @dirs = map { open(my $dir, "<", $_) or die "$_: $!"; $dir } @ARGV;
print "ready\n"; defined(<STDIN>) or exit;
for (@dirs) { ioctl($_, 0x8004587d, $how) or die "$!" }"#;

/// A filesystem that knows the shutdown ioctl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Filesystem {
    Ext4,
    Xfs,
}

/// Where a server's folders are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    /// Everything on one filesystem.
    Shared,
    /// The database on a second one: its syncs then cannot carry along what the blobs forgot to sync.
    Split,
}

/// Starts this program again in its own mount namespace, unless it is in one or may not have one.
/// True means that filesystems can be mounted.
pub(crate) fn enter_namespace() -> anyhow::Result<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(true);
    }
    if !run("unshare", &["--mount", "true"]).is_ok_and(|()| Path::new("/dev/loop-control").exists()) {
        return Ok(false);
    }
    let failed = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    Err(failed).context("cannot start again in a mount namespace")
}

/// The folder for images and logs; in a namespace it is memory that goes with the process.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    mounted: bool,
}

impl Scratch {
    /// A new folder below `parent`.
    pub(crate) fn new(parent: &Path, mount: bool) -> anyhow::Result<Scratch> {
        sweep(parent)?;
        let folder = parent.join(format!("{RUN}{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        if mount {
            run("mount", &["-t", "tmpfs", "-o", "size=3g", "berth-crash", text(&folder)?])?;
        }
        Ok(Scratch { folder, mounted: mount })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.mounted {
            let _ = run("umount", &["--lazy", &self.folder.to_string_lossy()]);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes what runs that were killed left behind.
fn sweep(parent: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(RUN));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another run may be sweeping too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// One filesystem in an image file.
#[derive(Debug)]
struct Volume {
    image: PathBuf,
    mount_point: PathBuf,
    mounted: bool,
}

impl Volume {
    fn create(folder: &Path, name: &str, filesystem: Filesystem) -> anyhow::Result<Volume> {
        let image = folder.join(format!("{name}.img"));
        let mount_point = folder.join(name);
        fs::create_dir_all(&mount_point)?;
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        match filesystem {
            Filesystem::Ext4 => run("mkfs.ext4", &["-q", "-F", "-b", "4096", text(&image)?])?,
            Filesystem::Xfs => run("mkfs.xfs", &["-q", "-f", text(&image)?])?,
        }
        let mut volume = Volume { image, mount_point, mounted: false };
        volume.mount()?;
        Ok(volume)
    }

    /// Mounting replays the journal, as after a power cut.
    fn mount(&mut self) -> anyhow::Result<()> {
        run("mount", &["-o", "loop", text(&self.image)?, text(&self.mount_point)?])?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> anyhow::Result<()> {
        let mut last = Ok(());
        for _ in 0..40 {
            last = run("umount", &[text(&self.mount_point)?]);
            if last.is_ok() {
                self.mounted = false;
                return last;
            }
            // The kernel may still be closing the files of a process that has just been killed.
            std::thread::sleep(Duration::from_millis(25));
        }
        last
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.mounted {
            let _ = run("umount", &["--lazy", &self.mount_point.to_string_lossy()]);
        }
        let _ = fs::remove_file(&self.image);
    }
}

/// The disks of one server.
#[derive(Debug)]
pub(crate) struct Disk {
    volumes: Vec<Volume>,
    data: PathBuf,
}

impl Disk {
    /// New, empty filesystems below `folder`. The data folder itself is the server's to make, and to make durable.
    pub(crate) fn create(folder: &Path, filesystem: Filesystem, layout: Layout) -> anyhow::Result<Disk> {
        let first = Volume::create(folder, "first", filesystem)?;
        let data = first.mount_point.join("registry");
        let mut disk = Disk { volumes: vec![first], data };
        if layout == Layout::Split {
            let second = Volume::create(folder, "second", filesystem)?;
            // SQLite follows the link and keeps its log beside the real file.
            fs::create_dir(&disk.data)?;
            symlink(second.mount_point.join(DATABASE), disk.data.join(DATABASE))?;
            File::open(&disk.data)?.sync_all()?;
            File::open(&disk.volumes[0].mount_point)?.sync_all()?;
            disk.volumes.push(second);
        }
        Ok(disk)
    }

    /// A plain folder, for kills that need no power cut.
    pub(crate) fn folder(folder: &Path) -> Disk {
        Disk { volumes: Vec::new(), data: folder.join("registry") }
    }

    /// The folder to give to the server.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Prepares to cut the power of all filesystems, the last one first if `reversed`.
    pub(crate) fn prepare_cut(&self, reversed: bool) -> anyhow::Result<Cut> {
        let mut points: Vec<&PathBuf> = self.volumes.iter().map(|volume| &volume.mount_point).collect();
        if reversed {
            points.reverse();
        }
        let mut command = Command::new("perl");
        command
            .args(["-e", CUT])
            .args(points)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run perl")?;
        let mut ready = [0; 6];
        let output = child.stdout.as_mut().context("no output of perl")?;
        // An early end is told by `Cut::now`, with what perl said.
        let _ = output.read_exact(&mut ready);
        Ok(Cut(child))
    }

    /// What a reboot does, after the server is gone.
    pub(crate) fn reboot(&mut self) -> anyhow::Result<()> {
        self.volumes.iter_mut().try_for_each(Volume::unmount)?;
        self.volumes.iter_mut().try_for_each(Volume::mount)
    }
}

/// A process with its hand on the switch.
#[derive(Debug)]
pub(crate) struct Cut(Child);

impl Cut {
    /// Cuts.
    pub(crate) fn now(mut self) -> anyhow::Result<()> {
        if let Some(mut input) = self.0.stdin.take() {
            // If it has ended already, its status tells why.
            let _ = input.write_all(b"\n");
        }
        let output = self.0.wait_with_output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the power could not be cut: {}", error.trim());
        Ok(())
    }
}

/// Proves that a file written without a sync is lost and one with a sync is kept; an error says what is missing here.
pub(crate) fn rehearse(folder: &Path, filesystem: Filesystem) -> anyhow::Result<()> {
    let mut disk = Disk::create(folder, filesystem, Layout::Shared)?;
    fs::create_dir(disk.data())?;
    fs::write(disk.data().join("kept"), "kept")?;
    for path in [disk.data().join("kept"), disk.data().to_owned(), folder.join("first")] {
        File::open(path)?.sync_all()?;
    }
    fs::write(disk.data().join("lost"), "lost")?;
    disk.prepare_cut(false)?.now()?;
    disk.reboot()?;
    ensure!(fs::read(disk.data().join("kept")).is_ok_and(|bytes| bytes == b"kept"), "a synced file was lost");
    if fs::read(disk.data().join("lost")).is_ok_and(|bytes| bytes == b"lost") {
        bail!("{filesystem:?} kept a file that was never synced: the power was not cut");
    }
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), error.trim());
    Ok(())
}
