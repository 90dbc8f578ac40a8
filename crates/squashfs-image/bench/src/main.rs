//! Reads all contents of an image once: `squashfs-image-bench ours|backhand|list-ours|list-backhand THREADS IMAGE`.
//! `list-…` reads only the inodes. Prints JSON: the wall and CPU time in seconds, the peak memory in MiB, the number of
//! files, and their bytes.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use backhand::{FilesystemReader, InnerNode};
use nix::sys::resource::{UsageWho, getrusage};
use squashfs_image::{FileType, Image, Inode, Reader};

/// The number of regular files, and the bytes in them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    files: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Calls `task` for the indices below `count`, on several threads that each make their own `state`.
fn divide<S>(
    threads: usize,
    count: usize,
    state: impl Fn() -> Result<S> + Sync,
    task: impl Fn(&mut S, usize) -> Result<u64> + Sync,
) -> Result<Sum> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<Sum> {
        let (mut state, mut sum) = (state()?, Sum::default());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(sum);
            }
            sum.add(task(&mut state, index)?);
        }
    };
    let sums: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    sums.into_iter().try_fold(Sum::default(), |total, sum| {
        let sum = sum.ok().context("a worker panicked")??;
        Ok(Sum {
            files: total.files + sum.files,
            bytes: total.bytes + sum.bytes,
        })
    })
}

/// The files of an image, in the order in which their inodes are stored.
fn files(reader: &mut Reader<'_>) -> Result<Vec<Inode>> {
    let mut files = Vec::new();
    for inode in reader.inodes() {
        let inode = inode?;
        if inode.file_type() == FileType::File {
            files.push(inode);
        }
    }
    Ok(files)
}

fn ours(threads: usize, path: &Path, list: bool) -> Result<Sum> {
    let image = Image::open(File::open(path)?)?;
    let files = files(&mut image.reader()?)?;
    if list {
        let mut sum = Sum::default();
        files.iter().for_each(|file| sum.add(file.size()));
        return Ok(sum);
    }
    let reader = || Ok(image.reader()?);
    divide(threads, files.len(), reader, |reader, index| {
        let mut extents = reader.extents(&files[index])?;
        let mut bytes = 0;
        while let Some(extent) = reader.next_extent(&mut extents)? {
            bytes += reader.read(extent)?.len() as u64;
        }
        Ok(bytes)
    })
}

fn backhand(threads: usize, path: &Path, list: bool) -> Result<Sum> {
    let system = FilesystemReader::from_reader(BufReader::new(File::open(path)?))?;
    let files: Vec<_> = system
        .files()
        .filter_map(|node| match &node.inner {
            InnerNode::File(file) => Some(file),
            _ => None,
        })
        .collect();
    if list {
        let mut sum = Sum::default();
        files.iter().for_each(|file| sum.add(file.file_len() as u64));
        return Ok(sum);
    }
    let buffer = || Ok(vec![0; 1 << 20]);
    divide(threads, files.len(), buffer, |buffer, index| {
        let mut contents = system.file(files[index]).reader();
        let mut bytes = 0;
        loop {
            match contents.read(buffer)? {
                0 => return Ok(bytes),
                read => bytes += read as u64,
            }
        }
    })
}

/// Since the program started; the figure of getrusage(2) includes the process that started it.
fn peak_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmHWM")?.parse()?)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [way, threads, path] = args.as_slice() else {
        bail!("usage: squashfs-image-bench ours|backhand|list-ours|list-backhand THREADS IMAGE");
    };
    let (threads, path) = (threads.parse()?, Path::new(path));
    let began = Instant::now();
    let sum = match way.as_str() {
        "ours" => ours(threads, path, false)?,
        "list-ours" => ours(threads, path, true)?,
        "backhand" => backhand(threads, path, false)?,
        "list-backhand" => backhand(threads, path, true)?,
        other => bail!("{other}?"),
    };
    let wall = began.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let result = serde_json::json!({
        "wall": wall,
        "cpu": seconds(usage.user_time()) + seconds(usage.system_time()),
        "peak_mib": peak_kib()? as f64 / 1024.0,
        "files": sum.files,
        "bytes": sum.bytes,
    });
    println!("{result}");
    Ok(())
}
