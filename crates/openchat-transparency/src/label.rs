//! Labels: under which name the log keeps somebody, without telling anybody who does not know the name already.

use std::fmt;

use akd_core::ecvrf::{Proof, VRFExpandedPrivateKey, VRFPrivateKey, VRFPublicKey};
use aws_lc_rs::digest::{Context, SHA256, SHA512};
use curve25519_dalek::edwards::CompressedEdwardsY;
use minicbor::{Decode, Encode};
use openchat_protocol::{Uid, UserName};

const LABEL_DOMAIN: &[u8] = b"OpenChat log label v1";
const GAMMA: usize = 32;

/// Why a label is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Not a point of the curve in its one encoding, or one of small order, under which all labels would be alike.
    #[error("the server's label key is not a usable one: this is not the server that it says it is")]
    Key,
    /// The secret does not belong to the public key.
    #[error("the label key in the authority's folder is not the server's: put back the folder from a backup")]
    OtherKey,
    /// Not a proof in its one encoding.
    #[error("the proof of a label is malformed")]
    Malformed,
    /// A proof of another subject or by another key.
    #[error("the server did not prove under which label it keeps {0}")]
    Unproven(Subject),
}

/// Whom a label stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// What a name stood for, over time.
    Name(UserName),
    /// What belongs to a user: certificates and devices.
    User(Uid),
}

impl Subject {
    /// The VRF's input: one byte for the sort, then the name in ASCII or the 16 bytes of the uid.
    fn alpha(&self) -> Vec<u8> {
        match self {
            Self::Name(name) => [b"n", name.as_str().as_bytes()].concat(),
            Self::User(uid) => [b"u", uid.as_bytes()].concat(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "the name {name}"),
            Self::User(uid) => write!(f, "the user {uid}"),
        }
    }
}

/// Under what the log keeps a subject: SHA-256(domain ‖ VRF output).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Label(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl Label {
    /// Heartbeats and events of the authority: everybody's business.
    pub const LOG: Self = Self([0; 32]);
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({})", crate::tree::Hash(self.0))
    }
}

/// A proof in the encoding of RFC 9381 §5.5: gamma (32) ‖ c (16) ‖ s (32).
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct VrfProof(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 80]);

impl fmt::Debug for VrfProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VrfProof")
    }
}

impl VrfProof {
    /// The label that this proves, whoever it is of.
    fn label(&self) -> Result<Label, LabelError> {
        let output = self.output().ok_or(LabelError::Malformed)?;
        let mut hash = Context::new(&SHA256);
        hash.update(LABEL_DOMAIN);
        hash.update(&output);
        Ok(Label(*hash.finish().as_ref().first_chunk().unwrap_or(&[0; 32])))
    }

    /// ECVRF_proof_to_hash (RFC 9381 §5.2). The cofactor makes the output unique where gamma itself is not.
    fn output(&self) -> Option<[u8; 64]> {
        let gamma: &[u8; GAMMA] = self.0.first_chunk()?;
        let gamma = CompressedEdwardsY(*gamma).decompress()?;
        let mut hash = Context::new(&SHA512);
        hash.update(&[3, 3]);
        hash.update(gamma.mul_by_cofactor().compress().as_bytes());
        hash.update(&[0]);
        hash.finish().as_ref().first_chunk().copied()
    }
}

/// The key that labels are checked with.
#[derive(Debug, Clone)]
pub struct VrfKey(VRFPublicKey);

impl VrfKey {
    /// The VRF key of a genesis record.
    pub fn new(public: &[u8; 32]) -> Result<Self, LabelError> {
        let point = CompressedEdwardsY(*public).decompress().ok_or(LabelError::Key)?;
        // RFC 8032 §5.1.3: a point has one encoding, but more of them are read.
        if point.compress().as_bytes() != public {
            return Err(LabelError::Key);
        }
        VRFPublicKey::try_from(public.as_slice()).map(Self).map_err(|_| LabelError::Key)
    }

    /// The label of `subject`, if `proof` proves it.
    pub fn verify(&self, subject: &Subject, proof: &VrfProof) -> Result<Label, LabelError> {
        let parsed = Proof::try_from(proof.0.as_slice()).map_err(|_| LabelError::Malformed)?;
        // Numbers are reduced while they are read: one proof shall have one encoding.
        if parsed.to_bytes() != proof.0 {
            return Err(LabelError::Malformed);
        }
        self.0.verify(&parsed, &subject.alpha()).map_err(|_| LabelError::Unproven(subject.clone()))?;
        proof.label()
    }
}

/// The key that labels are made with.
pub struct VrfSecret {
    secret: VRFExpandedPrivateKey,
    public: VRFPublicKey,
}

impl VrfSecret {
    /// From the 32 bytes that an Ed25519 private key consists of too (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32], public: &[u8; 32]) -> Result<Self, LabelError> {
        let key = VRFPrivateKey::try_from(seed.as_slice()).map_err(|_| LabelError::Key)?;
        let made = VRFPublicKey::from(&key);
        if made.as_bytes() != public {
            return Err(LabelError::OtherKey);
        }
        Ok(Self { secret: VRFExpandedPrivateKey::from(&key), public: made })
    }

    /// The label of `subject`, and what proves it to others.
    pub fn prove(&self, subject: &Subject) -> Result<(Label, VrfProof), LabelError> {
        let proof = VrfProof(self.secret.prove(&self.public, &subject.alpha()).to_bytes());
        Ok((proof.label()?, proof))
    }
}

impl fmt::Debug for VrfSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VrfSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn outputs_are_those_of_rfc_9381() {
        // Appendix B.3, example 16: the empty input.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let key = VRFPrivateKey::try_from(hex::<32>(seed).as_slice()).unwrap();
        let proof = VrfProof(key.prove(b"").to_bytes());
        let expected = "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f\
                        26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab12\
                        68a1b0db10836d9826a528ca76567805";
        assert_eq!(data_encoding::HEXLOWER.encode(&proof.0), expected);
        let output = "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff\
                      66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae";
        assert_eq!(proof.output(), Some(hex(output)));
    }
}
