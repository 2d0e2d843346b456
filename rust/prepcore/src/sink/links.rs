//! Files of one folder in another without a second copy of them, where the file system can do that.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::fault;
use crate::{Error, Result};

/// Puts a file of one folder into another under the same name: a hard link, or a copy where the two lie on different
/// file systems or theirs knows no links. Files of ours are replaced whole and never written to, so neither folder
/// sees what becomes of the other.
pub(crate) fn link(from: &Path, to: &Path, name: &str) -> Result<()> {
    let (source, target) = (from.join(name), to.join(name));
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, "make", error))?;
    }
    // A link that an earlier process made: to copy into it would write into the source.
    match fs::remove_file(&target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io(&target, "remove", error));
        }
        _ => {}
    }
    let linked = fault::point("link", &target).and_then(|()| fs::hard_link(&source, &target));
    match linked {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::io(&source, "link", error)),
        // What a file system says that knows no links differs from one to the next.
        Err(_) => copy(&source, &target),
        Ok(()) => Ok(()),
    }
}

fn copy(source: &Path, target: &Path) -> Result<()> {
    fs::copy(source, target).map_err(|error| Error::io(target, "copy a file to", error))?;
    let flushed = File::open(target).and_then(|file| file.sync_all());
    flushed.map_err(|error| Error::io(target, "flush", error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::sink::fault::Faults;

    #[test]
    fn a_file_is_linked_or_else_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        let inode = |path: &Path| path.metadata().unwrap().ino();
        for name in ["deep/linked", "copied"] {
            fs::write(from.join(name), name).unwrap();
            let faults = (name == "copied").then(|| [0, 0].map(|after| Faults::after(&to, "link", after)));
            link(&from, &to, name).unwrap();
            link(&from, &to, name).unwrap();
            assert_eq!(fs::read_to_string(from.join(name)).unwrap(), name);
            assert_eq!(fs::read_to_string(to.join(name)).unwrap(), name);
            assert_eq!(inode(&from.join(name)) == inode(&to.join(name)), faults.is_none());
        }
        let message = link(&from, &to, "missing").unwrap_err().to_string();
        assert!(message.contains("missing: cannot link"), "{message}");
    }
}
