//! Whom we trust: PEM from the environment, or a file that is looked at again when it changes.

use rustls::RootCertStore;
use std::path::PathBuf;
use std::sync::Arc;

/// Where anchors come from and what they are now.
pub struct Anchors {
    file: Option<PathBuf>,
    text: String,
    /// The anchors in force.
    pub roots: Arc<RootCertStore>,
}

impl Anchors {
    /// Reads them for the first time. A file wins over text, unless it cannot be used and there is text.
    ///
    /// # Errors
    /// When neither holds a certificate.
    pub fn new(text: &str, file: Option<PathBuf>) -> Result<Self, String> {
        let from_file =
            file.as_deref().map(|path| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display())));
        let text = match from_file {
            Some(Ok(pem)) if tls::anchors(&pem).is_ok() || text.is_empty() => pem,
            Some(Err(error)) if text.is_empty() => return Err(error),
            _ => text.to_owned(),
        };
        let roots = tls::anchors(&text).map_err(|error| error.to_string())?;
        Ok(Self { file, text, roots })
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
            Ok(roots) => {
                log::info!("trust anchors changed: {} in {}", roots.len(), path.display());
                (self.text, self.roots) = (pem, roots);
                true
            }
            Err(error) => {
                log::warn!("{}: {error}; the trust anchors stay as they are", path.display());
                false
            }
        }
    }
}
