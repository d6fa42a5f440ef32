//! Certificates, keys and passwords from systemd credentials, or from files that only their owner can change.
//!
//! The deployment file holds references, never secrets: the path of a file, or the name of a systemd credential
//! (`LoadCredential=` or `LoadCredentialEncrypted=` in the unit; systemd.exec(5)).
//!
//! systemd keeps credentials in a directory that only the service can enter, and sets their modes itself. A file must
//! belong to root or to the daemon's own user and be writable by nobody else; a private one must not be readable by
//! anybody else either. The check looks at the opened file, so that no swap between check and read can help anybody.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A certificate chain has a few KiB, a bundle of authorities seldom more than this.
pub const MAX_BYTES: u64 = 256 * 1024;

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// In a file.
    File(&'a Path),
    /// In the systemd credential of that name.
    Credential(&'a str),
}

/// Who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Certificates: everybody.
    Public,
    /// Private keys and passwords: nobody but the owner.
    Private,
}

/// Something that cannot be read, or must not be used; whoever installed it must act.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The reference is not a name that systemd allows.
    #[error("credential name {0:?} is not a plain file name: use the name that LoadCredential= gives it")]
    Name(String),
    /// The daemon was not started by a unit with credentials.
    #[error(
        "reading credential {0}: $CREDENTIALS_DIRECTORY is not set: start the daemon by its systemd unit, with \
         LoadCredential={0}:PATH, or give a path instead"
    )]
    NoDirectory(String),
    /// It is not there or cannot be read.
    #[error("reading {path}: {source}: install it, readable for the daemon's user")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A directory, device or pipe.
    #[error("reading {0}: it is not a regular file: give the path of the right file")]
    NotAFile(PathBuf),
    /// It belongs to somebody who could change it at will.
    #[error("{path} belongs to user {owner}, who could change it: chown root {path}")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Others can read the private key, or change the file.
    #[error("{path} has mode {mode:04o}, open to others: chmod {wanted} {path}")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What to set: 600 for a private key, 644 otherwise.
        wanted: &'static str,
    },
    /// A password that no broker would take.
    #[error("reading {0}: it is not one line of text: write the password there, and nothing else")]
    NotALine(String),
    /// It is larger than [`MAX_BYTES`].
    #[error("{path} is larger than {MAX_BYTES} bytes: give the path of the right file")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// Reads it; `directory` is `$CREDENTIALS_DIRECTORY`.
pub fn read(place: Place<'_>, directory: Option<&Path>, secrecy: Secrecy) -> Result<Vec<u8>, CredentialError> {
    match place {
        Place::File(path) => {
            let file = open(path)?;
            check_permissions(path, &file, secrecy)?;
            contents(path, file)
        }
        Place::Credential(name) => {
            if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
                return Err(CredentialError::Name(name.to_owned()));
            }
            let path = directory.ok_or_else(|| CredentialError::NoDirectory(name.to_owned()))?.join(name);
            contents(&path, open(&path)?)
        }
    }
}

/// Reads a private text of one line, such as a password. The line end that editors add is not part of it.
pub fn read_line(place: Place<'_>, directory: Option<&Path>) -> Result<String, CredentialError> {
    let text = String::from_utf8(read(place, directory, Secrecy::Private)?).ok();
    let line = text.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
    match line {
        Some(line) if !line.is_empty() && !line.contains(['\r', '\n', '\0']) => Ok(line.to_owned()),
        _ => Err(CredentialError::NotALine(match place {
            Place::File(path) => path.display().to_string(),
            Place::Credential(name) => name.to_owned(),
        })),
    }
}

/// Opens a regular file. Non-blocking, so that a pipe in its place cannot hold the daemon.
fn open(path: &Path) -> Result<File, CredentialError> {
    let failed = |source| CredentialError::Io { path: path.to_owned(), source };
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(CredentialError::NotAFile(path.to_owned()));
    }
    Ok(file)
}

fn check_permissions(path: &Path, file: &File, secrecy: Secrecy) -> Result<(), CredentialError> {
    let path = path.to_owned();
    let metadata = match file.metadata() {
        Ok(metadata) => metadata,
        Err(source) => return Err(CredentialError::Io { path, source }),
    };
    let owner = metadata.uid();
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(CredentialError::Owner { path, owner });
    }
    let (forbidden, wanted) = match secrecy {
        Secrecy::Public => (0o022, "644"),
        Secrecy::Private => (0o077, "600"),
    };
    let mode = metadata.mode() & 0o7777;
    if mode & forbidden != 0 {
        return Err(CredentialError::Mode { path, mode, wanted });
    }
    Ok(())
}

fn contents(path: &Path, file: File) -> Result<Vec<u8>, CredentialError> {
    let mut bytes = Vec::new();
    match file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        Err(source) => Err(CredentialError::Io { path: path.to_owned(), source }),
        Ok(_) if bytes.len() as u64 > MAX_BYTES => Err(CredentialError::TooLarge { path: path.to_owned() }),
        Ok(_) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key.pem");
        fs::write(&path, "secret").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        (directory, path)
    }

    #[test]
    fn a_private_key_that_others_can_read_is_refused_with_the_remedy() {
        for mode in [0o640, 0o604, 0o660, 0o644, 0o602] {
            let (_directory, path) = file(mode);
            let error = read(Place::File(&path), None, Secrecy::Private).expect_err("refused").to_string();
            assert!(error.contains(&format!("{mode:04o}")) && error.contains("chmod 600"), "{error}");
        }
        for mode in [0o600, 0o400] {
            let (_directory, path) = file(mode);
            assert_eq!(read(Place::File(&path), None, Secrecy::Private).expect("taken"), b"secret");
        }
    }

    #[test]
    fn a_certificate_may_be_read_but_not_changed_by_others() {
        let (_directory, path) = file(0o644);
        assert_eq!(read(Place::File(&path), None, Secrecy::Public).expect("taken"), b"secret");
        for mode in [0o664, 0o646] {
            let (_directory, path) = file(mode);
            let error = read(Place::File(&path), None, Secrecy::Public).expect_err("refused").to_string();
            assert!(error.contains("chmod 644"), "{error}");
        }
    }

    #[test]
    fn a_credential_is_taken_from_systemds_directory_whatever_its_mode() {
        let (directory, _) = file(0o440);
        assert_eq!(
            read(Place::Credential("key.pem"), Some(directory.path()), Secrecy::Private).expect("taken"),
            b"secret"
        );
        let error = read(Place::Credential("key.pem"), None, Secrecy::Private).expect_err("refused").to_string();
        assert!(error.contains("LoadCredential=key.pem:PATH"), "{error}");
    }

    #[test]
    fn a_credential_name_cannot_leave_the_directory() {
        let (directory, _) = file(0o600);
        for name in ["", ".", "..", "../key.pem", "a/../key.pem", "/etc/passwd"] {
            let error = read(Place::Credential(name), Some(directory.path()), Secrecy::Private);
            assert!(matches!(error, Err(CredentialError::Name(_))), "{name}");
        }
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused() {
        let (directory, path) = file(0o600);
        let error = read(Place::File(directory.path()), None, Secrecy::Public);
        assert!(matches!(error, Err(CredentialError::NotAFile(_))), "{error:?}");
        fs::write(&path, vec![b'x'; usize::try_from(MAX_BYTES).expect("fits") + 1]).expect("a file");
        assert!(matches!(read(Place::File(&path), None, Secrecy::Public), Err(CredentialError::TooLarge { .. })));
        assert!(matches!(
            read(Place::File(Path::new("/nonexistent/key.pem")), None, Secrecy::Public),
            Err(CredentialError::Io { .. })
        ));
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
        let error = read(Place::File(&pipe), None, Secrecy::Public);
        assert!(matches!(error, Err(CredentialError::NotAFile(_))), "{error:?}");
    }

    #[test]
    fn a_password_is_one_private_line() {
        let (_directory, path) = file(0o600);
        let read = |text: &str| {
            fs::write(&path, text).expect("a file");
            read_line(Place::File(&path), None)
        };
        for text in ["secret", "secret\n", "secret\r\n"] {
            assert_eq!(read(text).expect("taken"), "secret");
        }
        assert_eq!(read(" a b ").expect("taken"), " a b ");
        for text in ["", "\n", "two\nlines\n", "nul\0"] {
            assert!(matches!(read(text), Err(CredentialError::NotALine(_))), "{text:?}");
        }
        let (_directory, path) = file(0o644);
        assert!(matches!(read_line(Place::File(&path), None), Err(CredentialError::Mode { .. })));
    }
}
