//! Recovery codes: twelve words on paper, and the file that nothing but them opens.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{self, HKDF_SHA256};
use bip39::{Language, Mnemonic};
use pkcs8::der::pem;
use zeroize::Zeroizing;

use crate::certificate;
use crate::ecdsa::infallible;
use crate::signature;

/// 128 random bits: nobody guesses them, so that no slow derivation is needed.
const ENTROPY: usize = 16;
const WORDS: usize = 12;
const PURPOSE: &[u8] = b"OpenChat recovery kit v1";
const LABEL: &str = "OPENCHAT RECOVERY KIT";

/// Why words are no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryCodeError {
    /// Too few or too many.
    #[error("these are {0} words, and a recovery code has {WORDS}")]
    Count(usize),
    /// One that no code has.
    #[error("word {0} is none of the words that a recovery code is made of: look at it again")]
    Word(usize),
    /// All of them exist, but do not go together.
    #[error("at least one of the words is another one, or they are in another order: look at them again")]
    Checksum,
}

/// Why a file is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealedKitError {
    /// No kit, or one of another time.
    #[error("this is no recovery kit: it has a part that begins with `-----BEGIN {LABEL}-----`")]
    NotAKit,
    /// Of another code, or altered.
    #[error("these words do not open this recovery kit, or it is damaged")]
    OtherCode,
}

/// Twelve words (BIP 39, English): 128 random bits and a checksum of 4.
pub struct RecoveryCode(Zeroizing<[u8; ENTROPY]>);

impl RecoveryCode {
    /// A new one.
    pub fn generate() -> Self {
        let mut entropy = Zeroizing::new([0; ENTROPY]);
        certificate::fill_random(&mut *entropy);
        Self(entropy)
    }

    /// The words, with a space between each two.
    pub fn words(&self) -> Zeroizing<String> {
        #[expect(clippy::expect_used, reason = "16 bytes are one of the lengths that BIP 39 has")]
        let words = Mnemonic::from_entropy_in(Language::English, &*self.0).expect("twelve words");
        let words: Vec<&str> = words.words().collect();
        Zeroizing::new(words.join(" "))
    }

    /// Encrypts `content` for whoever has the words, as PEM. To be used once: the kit of another time has another code.
    pub fn seal(&self, content: &[u8]) -> String {
        let mut nonce = [0; NONCE_LEN];
        certificate::fill_random(&mut nonce);
        let mut sealed = content.to_vec();
        let aad = Aad::from(PURPOSE);
        infallible(self.key().seal_in_place_append_tag(Nonce::from(&nonce), aad, &mut sealed));
        signature::pem(&[nonce.as_slice(), &sealed].concat(), LABEL)
    }

    /// What [`Self::seal`] has sealed. Text before it is passed over.
    pub fn open(&self, text: &str) -> Result<Zeroizing<Vec<u8>>, SealedKitError> {
        let Ok((LABEL, bytes)) = pem::decode_vec(text.as_bytes()) else {
            return Err(SealedKitError::NotAKit);
        };
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealedKitError::NotAKit)?;
        let mut content = Zeroizing::new(sealed.to_vec());
        let opened = self
            .key()
            .open_in_place(Nonce::from(nonce), Aad::from(PURPOSE), &mut content)
            .map_err(|_| SealedKitError::OtherCode)?
            .len();
        content.truncate(opened);
        Ok(content)
    }

    fn key(&self) -> LessSafeKey {
        let mut key = Zeroizing::new([0; 32]);
        let extracted = hkdf::Salt::new(HKDF_SHA256, &[]).extract(&*self.0);
        infallible(extracted.expand(&[PURPOSE], HKDF_SHA256).and_then(|okm| okm.fill(&mut *key)));
        LessSafeKey::new(infallible(UnboundKey::new(&AES_256_GCM, &*key)))
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// Reads words as people type them: capitals, line ends and more than one space make no difference.
impl FromStr for RecoveryCode {
    type Err = RecoveryCodeError;

    fn from_str(text: &str) -> Result<Self, RecoveryCodeError> {
        let typed = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = typed.split_whitespace().collect();
        if words.len() != WORDS {
            return Err(RecoveryCodeError::Count(words.len()));
        }
        let words = Zeroizing::new(words.join(" "));
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, &words).map_err(|error| match error {
                bip39::Error::UnknownWord(index) => RecoveryCodeError::Word(index + 1),
                _ => RecoveryCodeError::Checksum,
            })?;
        let (bytes, length) = mnemonic.to_entropy_array();
        let bytes = Zeroizing::new(bytes);
        match bytes.first_chunk() {
            Some(entropy) if length == ENTROPY => Ok(Self(Zeroizing::new(*entropy))),
            _ => Err(RecoveryCodeError::Count(words.split(' ').count())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_bip_39() {
        // The test vectors of BIP 39 for 128 bits.
        for (entropy, words) in [
            ([0; 16], ["abandon"; 11].join(" ") + " about"),
            (
                [0x7f; 16],
                "legal winner thank year wave sausage worth useful legal winner thank yellow".to_owned(),
            ),
            ([0xff; 16], ["zoo"; 11].join(" ") + " wrong"),
        ] {
            assert_eq!(*RecoveryCode(Zeroizing::new(entropy)).words(), words);
            assert_eq!(*words.parse::<RecoveryCode>().unwrap().0, entropy);
        }
    }

    #[test]
    fn words_are_read_as_people_type_them_and_mistakes_are_told_apart() {
        let code = RecoveryCode::generate();
        let words = code.words();
        let typed = format!("  {}\n", words.to_uppercase().replace(' ', " \n "));
        assert_eq!(*typed.parse::<RecoveryCode>().unwrap().0, *code.0);
        let refused = |text: &str| text.parse::<RecoveryCode>().unwrap_err();
        assert_eq!(refused(""), RecoveryCodeError::Count(0));
        assert_eq!(refused(&format!("{} zoo", *words)), RecoveryCodeError::Count(13));
        assert_eq!(refused(&["abandon"; 12].join(" ")), RecoveryCodeError::Checksum);
        let unknown = ["abandon", "hunter2"].into_iter().chain(["about"; 10]).collect::<Vec<_>>().join(" ");
        assert_eq!(refused(&unknown), RecoveryCodeError::Word(2));
    }

    #[test]
    fn a_kit_is_opened_by_its_code_and_by_no_other() {
        let code = RecoveryCode::generate();
        let kit = format!("Für mich selbst.\n\n{}", code.seal(b"content"));
        assert_eq!(code.open(&kit).unwrap().as_slice(), b"content");
        assert_eq!(RecoveryCode::generate().open(&kit), Err(SealedKitError::OtherCode));
        assert_ne!(code.seal(b"content"), code.seal(b"content"));
        for text in [
            "",
            "words",
            "-----BEGIN OPENCHAT RECOVERY KIT-----\nAAAA\n-----END OPENCHAT RECOVERY KIT-----\n",
        ] {
            assert_eq!(code.open(text), Err(SealedKitError::NotAKit), "{text}");
        }
        let (_, bytes) = pem::decode_vec(kit.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(code.open(&signature::pem(&altered, LABEL)), Err(SealedKitError::OtherCode), "{at}");
        }
    }

    #[test]
    fn a_code_is_not_shown() {
        assert_eq!(format!("{:?}", RecoveryCode::generate()), "RecoveryCode(..)");
    }
}
