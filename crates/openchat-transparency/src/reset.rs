//! To whom a name belongs by the records under it: how it may pass to another key, and how it may not.

use minicbor::{Decode, Encode};
use openchat_protocol::reset::RESET_WAIT;
use openchat_protocol::{Timestamp, Uid, UserName, codec};

use crate::auditor::{Auditor, Violation};
use crate::body::{Body, IdentityIssued, Reset, ResetStep};
use crate::label::Subject;
use crate::leaf::Leaf;
use crate::proof::{Entry, Lookup, ProofError};

/// Records of one name that are read: an administrator begins each reset, and each has few.
const RECORDS: usize = 256;

/// All records under a name before the newest one, with proofs, from the first one on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct History(#[n(0)] pub Vec<Entry>);

impl History {
    /// CBOR.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`Self::to_bytes`] wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        let history: Self = codec::decode(bytes).map_err(|_| ProofError::Malformed)?;
        let good = history.0.len() <= RECORDS && history.to_bytes() == bytes;
        if good { Ok(history) } else { Err(ProofError::Malformed) }
    }
}

impl Auditor {
    /// Checks that `history` has all leaves of a label before `newest`, which a lookup under the head of `lookup` has
    /// shown, and answers with what all of them are about, the newest one last.
    pub fn check_history(
        &self,
        subject: &Subject,
        lookup: &Lookup,
        history: &History,
    ) -> Result<Vec<(Leaf, Vec<u8>)>, Violation> {
        let head = self.log_key.open(&lookup.note)?.head();
        let newest = &lookup.entry;
        let mut previous = None;
        for (seq, entry) in (1..).zip(history.0.iter().chain([newest])) {
            let leaf = &entry.leaf;
            if (leaf.label, leaf.seq, leaf.previous) != (newest.leaf.label, seq, previous)
                || entry.opening.commitment() != leaf.commitment
            {
                return Err(Violation::History(subject.clone()));
            }
            entry.inclusion.check_inclusion(leaf, entry.index, &head)?;
            previous = Some(entry.index);
        }
        let all = history.0.iter().chain([newest]);
        Ok(all.map(|entry| (entry.leaf, entry.opening.body.clone())).collect())
    }
}

/// A rule about names that a server has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResetFault {
    /// A key has the name that nobody had asked for.
    #[error("the name was given to another key that had not asked for it")]
    Unasked,
    /// It got the name too soon.
    #[error("the name was given to another key before the time in which its owner can object was over")]
    TooSoon,
    /// Somebody had objected, and no administrator has decided for it.
    #[error("the name was given to another key although its owner had objected")]
    Objected,
    /// Another certificate of the same key, without a word of it.
    #[error("the name has another certificate that its key has not asked for")]
    Unsigned,
    /// Records that do not belong there, or in another order.
    #[error("its log of keys has records under the name that do not follow from each other")]
    Disorder,
}

/// A wish for a name that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The new identity.
    pub uid: Uid,
    /// When it was asked for.
    pub asked: Timestamp,
    /// The owner has objected.
    pub objected: bool,
    /// An administrator has decided for it after that.
    pub approved: bool,
}

impl Wish {
    /// One that was just made.
    pub fn new(uid: Uid, asked: Timestamp) -> Self {
        Self { uid, asked, objected: false, approved: false }
    }

    /// What it is after another step; nothing when it is denied.
    pub fn after(self, step: ResetStep) -> Result<Option<Self>, ResetFault> {
        match step {
            ResetStep::Objected if !self.objected => Ok(Some(Self { objected: true, ..self })),
            ResetStep::Approved if self.objected && !self.approved => {
                Ok(Some(Self { approved: true, ..self }))
            }
            ResetStep::Denied => Ok(None),
            _ => Err(ResetFault::Disorder),
        }
    }

    /// From when on the name can be taken.
    pub fn until(&self) -> Timestamp {
        self.asked.plus(RESET_WAIT)
    }

    /// Whether the name may be given at `now`.
    pub fn check(&self, now: Timestamp) -> Result<(), ResetFault> {
        match () {
            () if self.objected && !self.approved => Err(ResetFault::Objected),
            () if now < self.until() => Err(ResetFault::TooSoon),
            () => Ok(()),
        }
    }
}

/// A record for another certificate of the key that had the name, which that key must have signed for: who has the key
/// checks that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Whose name it was then.
    pub uid: Uid,
    /// The number of the record among those of the name.
    pub seq: u32,
    /// What the key is said to have signed (K28).
    pub signature: Vec<u8>,
}

/// What the records under a name come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameState {
    /// Whose it is now.
    pub holder: IdentityIssued,
    /// From whom it came, and when, if it did.
    pub moved: Option<(Uid, Timestamp)>,
    /// Somebody else asks for it.
    pub wish: Option<Wish>,
    /// Certificates after the first of each key.
    pub renewals: Vec<Renewal>,
    /// Keys that had it before: none of them gets it again.
    past: Vec<Uid>,
}

impl NameState {
    /// Follows the records of `name`, from the first one on.
    pub fn read(name: &UserName, records: &[(Leaf, Vec<u8>)]) -> Result<Self, ResetFault> {
        let mut bodies = records.iter().map(|(leaf, body)| (leaf, Body::read(leaf.kind, body)));
        let Some((_, Ok(Body::IdentityIssued(first)))) = bodies.next() else {
            return Err(ResetFault::Disorder);
        };
        if first.renewal.is_some() || first.name != *name {
            return Err(ResetFault::Disorder);
        }
        let mut state =
            Self { holder: first, moved: None, wish: None, renewals: Vec::new(), past: Vec::new() };
        for (leaf, body) in bodies {
            match body {
                Ok(Body::IdentityIssued(issued)) if issued.name == *name => state.issue(issued, leaf)?,
                Ok(Body::Reset(reset)) if reset.name == *name => state.step(&reset, leaf.time)?,
                _ => return Err(ResetFault::Disorder),
            }
        }
        Ok(state)
    }

    /// A renewal leaves a wish as it is: whoever asks neither waits longer for it nor gets the name sooner.
    fn issue(&mut self, issued: IdentityIssued, leaf: &Leaf) -> Result<(), ResetFault> {
        let uid = issued.uid;
        match (uid == self.holder.uid, &issued.renewal) {
            (true, Some(signature)) => {
                let signature = signature.to_vec();
                self.renewals.push(Renewal { uid, seq: leaf.seq, signature });
            }
            (true, None) => return Err(ResetFault::Unsigned),
            (false, None) => {
                let wish = self.wish.take().filter(|wish| wish.uid == uid).ok_or(ResetFault::Unasked)?;
                wish.check(leaf.time)?;
                self.past.push(self.holder.uid);
                self.moved = Some((self.holder.uid, leaf.time));
            }
            // A key that does not have the name has nothing to renew.
            (false, Some(_)) => return Err(ResetFault::Unasked),
        }
        self.holder = issued;
        Ok(())
    }

    fn step(&mut self, reset: &Reset, asked: Timestamp) -> Result<(), ResetFault> {
        self.wish = match (reset.step, self.wish) {
            (ResetStep::Asked, None) if reset.uid != self.holder.uid && !self.past.contains(&reset.uid) => {
                Some(Wish::new(reset.uid, asked))
            }
            (step, Some(wish)) if wish.uid == reset.uid => wish.after(step)?,
            _ => return Err(ResetFault::Disorder),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Label;
    use crate::leaf::Commitment;

    const OLD: Uid = Uid([1; 16]);
    const NEW: Uid = Uid([2; 16]);
    const HOUR: u64 = 3600 * 1000;

    fn name() -> UserName {
        "alice".parse().unwrap()
    }

    fn issued(uid: Uid) -> Body {
        Body::IdentityIssued(IdentityIssued { uid, name: name(), certificate: [7; 32], renewal: None })
    }

    fn renewed(uid: Uid, certificate: u8) -> Body {
        let (certificate, renewal) = ([certificate; 32], Some(vec![certificate].into()));
        Body::IdentityIssued(IdentityIssued { uid, name: name(), certificate, renewal })
    }

    fn step(step: ResetStep) -> Body {
        Body::Reset(Reset { uid: NEW, name: name(), step })
    }

    fn read(records: &[(u64, Body)]) -> Result<NameState, ResetFault> {
        let leaf = |(seq, (hour, body)): (u32, &(u64, Body))| {
            let time = Timestamp(hour * HOUR);
            let (label, commitment) = (Label([1; 32]), Commitment([0; 32]));
            (Leaf { kind: body.kind(), time, label, seq, previous: None, commitment }, body.to_bytes())
        };
        NameState::read(&name(), &(1..).zip(records).map(leaf).collect::<Vec<_>>())
    }

    #[test]
    fn a_name_moves_when_it_was_asked_for_and_72_hours_have_passed() {
        use ResetStep::{Approved, Asked, Denied, Objected};
        let moved = read(&[(0, issued(OLD)), (10, step(Asked)), (82, issued(NEW))]).unwrap();
        assert_eq!((moved.holder.uid, moved.moved), (NEW, Some((OLD, Timestamp(82 * HOUR)))));
        let waits = read(&[(0, issued(OLD)), (10, step(Asked))]).unwrap();
        assert_eq!((waits.holder.uid, waits.wish.unwrap().until()), (OLD, Timestamp(82 * HOUR)));
        let soon = read(&[(0, issued(OLD)), (10, step(Asked)), (81, issued(NEW))]);
        assert_eq!(soon, Err(ResetFault::TooSoon));
        assert_eq!(read(&[(0, issued(OLD)), (99, issued(NEW))]), Err(ResetFault::Unasked));
        let other = [(0, issued(OLD)), (10, step(Asked)), (99, issued(Uid([3; 16])))];
        assert_eq!(read(&other), Err(ResetFault::Unasked));

        let objected = vec![(0, issued(OLD)), (10, step(Asked)), (11, step(Objected))];
        let with = |more: &[(u64, Body)]| read(&[objected.clone(), more.to_vec()].concat());
        assert_eq!(with(&[(99, issued(NEW))]), Err(ResetFault::Objected));
        assert_eq!(with(&[(12, step(Approved)), (81, issued(NEW))]), Err(ResetFault::TooSoon));
        assert_eq!(with(&[(12, step(Approved)), (82, issued(NEW))]).unwrap().holder.uid, NEW);
        assert_eq!(with(&[(12, step(Objected))]), Err(ResetFault::Disorder), "once");
        let denied = with(&[(12, step(Denied))]).unwrap();
        assert_eq!((denied.holder.uid, denied.wish), (OLD, None));
        assert_eq!(with(&[(12, step(Denied)), (99, issued(NEW))]), Err(ResetFault::Unasked));
    }

    #[test]
    fn records_in_another_order_prove_nothing() {
        use ResetStep::{Approved, Asked, Denied, Objected};
        for wrong in [Objected, Approved, Denied] {
            assert_eq!(read(&[(0, issued(OLD)), (1, step(wrong))]), Err(ResetFault::Disorder));
        }
        let early = [(0, issued(OLD)), (1, step(Asked)), (2, step(Approved))];
        assert_eq!(read(&early), Err(ResetFault::Disorder), "nobody has objected");
        let twice = [(0, issued(OLD)), (1, step(Asked)), (2, step(Asked))];
        assert_eq!(read(&twice), Err(ResetFault::Disorder));
        assert_eq!(read(&[(0, step(Asked))]), Err(ResetFault::Disorder));
        assert_eq!(read(&[]), Err(ResetFault::Disorder));
        let again = [(0, issued(OLD)), (1, issued(OLD))];
        assert_eq!(
            read(&again),
            Err(ResetFault::Unsigned),
            "a later certificate that its key has not asked for"
        );
    }

    #[test]
    fn renewals_change_nothing_about_whose_a_name_is_nor_about_a_wish_for_it() {
        use ResetStep::{Approved, Asked, Objected};
        let seqs = |state: &NameState| {
            state.renewals.iter().map(|it| (it.uid, it.seq, it.signature.clone())).collect::<Vec<_>>()
        };
        let twice = read(&[(0, issued(OLD)), (1, renewed(OLD, 2)), (2, renewed(OLD, 3))]).unwrap();
        assert_eq!((twice.holder.uid, twice.holder.certificate, twice.moved), (OLD, [3; 32], None));
        assert_eq!(seqs(&twice), [(OLD, 2, vec![2]), (OLD, 3, vec![3])]);

        // Each of these between the wish and its end; the time of the wish counts, not that of the renewal.
        let wish = vec![(0, issued(OLD)), (10, step(Asked)), (20, renewed(OLD, 2))];
        let with = |more: &[(u64, Body)]| read(&[wish.clone(), more.to_vec()].concat());
        let open = with(&[]).unwrap();
        assert_eq!((open.holder.uid, open.wish.unwrap().until()), (OLD, Timestamp(82 * HOUR)));
        assert_eq!(with(&[(81, issued(NEW))]), Err(ResetFault::TooSoon));
        let moved = with(&[(82, issued(NEW)), (90, renewed(NEW, 4))]).unwrap();
        assert_eq!((moved.holder.uid, moved.moved), (NEW, Some((OLD, Timestamp(82 * HOUR)))));
        assert_eq!((moved.wish, seqs(&moved)), (None, vec![(OLD, 3, vec![2]), (NEW, 5, vec![4])]));
        let objected = [(21, step(Objected)), (22, renewed(OLD, 3))];
        assert_eq!(with(&[&objected[..], &[(99, issued(NEW))]].concat()), Err(ResetFault::Objected));
        let approved = [&objected[..], &[(23, step(Approved)), (24, renewed(OLD, 4)), (82, issued(NEW))]];
        assert_eq!(with(&approved.concat()).unwrap().holder.uid, NEW);
    }

    #[test]
    fn only_who_has_a_name_renews_it_and_who_has_lost_it_does_not_get_it_again() {
        use ResetStep::Asked;
        assert_eq!(read(&[(0, renewed(OLD, 1))]), Err(ResetFault::Disorder), "nothing was before");
        assert_eq!(read(&[(0, issued(OLD)), (1, renewed(NEW, 2))]), Err(ResetFault::Unasked));
        let asked = vec![(0, issued(OLD)), (10, step(Asked))];
        let with = |more: &[(u64, Body)]| read(&[asked.clone(), more.to_vec()].concat());
        assert_eq!(with(&[(99, renewed(NEW, 2))]), Err(ResetFault::Unasked), "it has yet to get it");
        let moved = (99, issued(NEW));
        assert_eq!(with(&[moved.clone(), (100, renewed(OLD, 2))]), Err(ResetFault::Unasked));
        assert_eq!(with(&[moved.clone(), (100, issued(NEW))]), Err(ResetFault::Unsigned));
        let back = Body::Reset(Reset { uid: OLD, name: name(), step: Asked });
        assert_eq!(with(&[moved, (100, back)]), Err(ResetFault::Disorder));
    }
}
