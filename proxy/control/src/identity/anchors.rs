//! Whom we trust: PEM from the environment, or a file that is looked at again when it changes.
//!
//! An anchor that is added counts at once. One that is gone from the file stays in force while our own certificate hangs on it, since
//! without it the mesh would refuse us: a renewal that brings a certificate of another anchor lets it go (unless forced, then at once).

use rustls::RootCertStore;
use std::path::PathBuf;
use std::sync::Arc;

/// Where anchors come from and what they are now.
pub struct Anchors {
    file: Option<PathBuf>,
    text: String,
    /// What is gone from the file goes at once.
    pub(super) forced: bool,
    /// What text or file say.
    pub(super) wanted: Arc<RootCertStore>,
    /// The anchors in force: those that are wanted, and those still needed.
    pub roots: Arc<RootCertStore>,
}

impl Anchors {
    /// Reads them for the first time. A file wins over text, unless it cannot be used and there is text.
    ///
    /// # Errors
    /// When neither holds a certificate.
    pub fn new(text: &str, file: Option<PathBuf>, forced: bool) -> Result<Self, String> {
        let from_file =
            file.as_deref().map(|path| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display())));
        let (text, path) = match from_file {
            Some(Ok(pem)) if tls::anchors(&pem).is_ok() || text.is_empty() => (pem, file.as_deref()),
            Some(Err(error)) if text.is_empty() => return Err(error),
            _ => (text.to_owned(), None),
        };
        let roots = tls::anchors(&text).map_err(|error| match path {
            Some(path) => format!("{}: {error}", path.display()),
            None => error.to_string(),
        })?;
        Ok(Self { file, text, forced, wanted: roots.clone(), roots })
    }

    /// Looks at the file; true when the anchors have changed. A broken file changes nothing and is told in the log.
    pub fn refresh(&mut self) -> bool {
        let Some(path) = self.file.as_deref() else { return false };
        let pem = match std::fs::read_to_string(path) {
            Ok(pem) if pem == self.text => return false,
            Ok(pem) => pem,
            Err(error) => {
                log::warn!("{}: {error}; the trust anchors stay as they are", path.display());
                return false;
            }
        };
        match tls::anchors(&pem) {
            Ok(wanted) => {
                log::info!("trust anchors changed: {} in {}", wanted.len(), path.display());
                self.text = pem;
                self.roots = if self.forced { wanted.clone() } else { both(&self.roots, &wanted) };
                self.wanted = wanted;
                true
            }
            Err(error) => {
                log::warn!("{}: {error}; the trust anchors stay as they are", path.display());
                false
            }
        }
    }

    /// Nothing of ours hangs on what is gone from the file.
    pub(super) fn settle(&mut self) {
        self.roots = self.wanted.clone();
    }

    /// Whether an anchor is in force that the file has no more.
    pub(super) fn lingering(&self) -> bool {
        !Arc::ptr_eq(&self.roots, &self.wanted)
    }
}

fn both(old: &RootCertStore, new: &Arc<RootCertStore>) -> Arc<RootCertStore> {
    let gone = old.roots.iter().filter(|root| !new.roots.contains(root));
    let gone: Vec<_> = gone.cloned().collect();
    if gone.is_empty() {
        return new.clone();
    }
    let mut all = RootCertStore::clone(new);
    all.roots.extend(gone);
    Arc::new(all)
}
