//! The P-256 key and its signing request: taken from the identity folder when someone made them, else made in memory.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use std::path::Path;

/// Longest file that is taken for a key or request.
const MOST: u64 = 64 << 10;

/// A private key (PKCS#8 DER) and the request (DER) that fits it.
pub struct Key {
    /// PKCS#8 DER.
    pub pkcs8: Vec<u8>,
    /// PKCS#10 DER.
    pub csr: Vec<u8>,
}

impl Key {
    /// Reads `csr.der` and `key.p8`; makes both when neither is there.
    ///
    /// # Errors
    /// A sentence when one is there without the other, or when none can be made.
    pub fn load(dir: Option<&Path>, name: &str) -> Result<Self, String> {
        let Some(dir) = dir else { return Self::make(name) };
        let (csr, key) = (dir.join("csr.der"), dir.join("key.p8"));
        match (csr.exists(), key.exists()) {
            (true, true) => Ok(Self { pkcs8: read(&key)?, csr: read(&csr)? }),
            (false, false) => Self::make(name),
            _ => Err(format!("{} holds only one of csr.der and key.p8; both or neither are needed", dir.display())),
        }
    }

    fn make(name: &str) -> Result<Self, String> {
        let failed = |error: rcgen::Error| format!("cannot make a key and request for {name}: {error}");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let text = name.try_into().map_err(failed)?;
        params.subject_alt_names = vec![if name.contains("://") { SanType::URI(text) } else { SanType::DnsName(text) }];
        let csr = params.serialize_request(&key).map_err(failed)?;
        Ok(Self { pkcs8: key.serialize_der(), csr: csr.der().to_vec() })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    if length == 0 || length > MOST {
        return Err(format!("{} has {length} bytes; 1 to {MOST} are expected", path.display()));
    }
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
