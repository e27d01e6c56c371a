//! The five ways to read a stream (sections 6, 7, 8). They differ in how they find a frame and in what a miss means;
//! pin, validation and use are one piece of code.

use super::memory::{ACTIVE, EVICTED, Frame};
use super::process::{Role, Step};
use super::{Advance, Fault, Mutant, State, Stream};

impl Stream {
    /// Whether a waiting reader has something to do. Nothing but a new frame ends the wait: death and a clean end are
    /// told by `prod`, which no safety property depends on.
    pub(super) fn reader_wakes(&self, s: &State, p: usize) -> bool {
        let me = &s.procs[p];
        match (me.step, self.roles[p]) {
            (Step::Await, Role::Newest) => s.mem.head.seq > 0,
            (Step::Await, Role::Lossy | Role::Lossless) => s.mem.head.seq >= me.seq,
            (Step::Await, _) => s.mem.entry(me.seq, self.ring).seq >= me.seq,
            _ => true,
        }
    }

    pub(super) fn read(&self, s: &mut State, p: usize) -> Step {
        let role = self.roles[p];
        let me = usize::from(s.procs[p].index.expect("a reader is attached"));
        let Frame { seq, slot } = s.procs[p].frame;
        match s.procs[p].step {
            Step::JoinHead | Step::JoinStore | Step::JoinCount | Step::JoinCheck => self.join(s, p),
            Step::Await => self.find(s, p),
            Step::Entry => self.entry(s, p),
            Step::Pin => {
                s.mem.records[me].pin = slot + 1;
                match self.mutant {
                    Mutant::PinWithoutRecheck => Step::Read { half: 0 },
                    Mutant::LossyWithoutRecheck if role == Role::Lossy => Step::Read { half: 0 },
                    Mutant::AdvanceBeforePin => Step::Validate,
                    _ if role == Role::Lossless && self.advance == Advance::ForValidation => Step::Advance,
                    _ => Step::Validate,
                }
            }
            Step::Validate if s.mem.version(slot) == 2 * seq => match role {
                Role::Lossless if self.advance == Advance::AfterPin && self.mutant != Mutant::AdvanceBeforePin => {
                    Step::Advance
                }
                _ => Step::Read { half: 0 },
            },
            Step::Validate if role == Role::Copier => self.missed(s, p),
            Step::Validate => Step::Unpin { used: false },
            Step::Advance => self.advance(s, p),
            Step::Read { half: 0 } => {
                s.procs[p].halves[0] = s.mem.payload[usize::from(slot)][0];
                Step::Read { half: 1 }
            }
            Step::Read { .. } => {
                s.procs[p].halves[1] = s.mem.payload[usize::from(slot)][1];
                if role == Role::Copier {
                    return Step::Revalidate;
                }
                self.accept(s, p);
                match role {
                    Role::Lossless if self.advances_late() => Step::Advance,
                    _ => Step::Unpin { used: true },
                }
            }
            Step::Revalidate => {
                if s.mem.version(slot) == 2 * seq {
                    self.accept(s, p);
                    self.after_frame(s, p)
                } else {
                    s.procs[p].halves = [0; 2];
                    self.missed(s, p)
                }
            }
            Step::Unpin { used } => {
                s.mem.records[me].pin = 0;
                if used { self.after_frame(s, p) } else { self.missed(s, p) }
            }
            Step::AmEvicted => {
                if s.mem.records[me].cursor & EVICTED == 0 {
                    s.fault(Fault::LosslessMissed);
                }
                self.lagged(s, p)
            }
            other => unreachable!("{other:?} is no step of a reader"),
        }
    }

    /// Join from now, or from the oldest frame still there. A lossy reader keeps `next` to itself and is done at once.
    fn join(&self, s: &mut State, p: usize) -> Step {
        let me = usize::from(s.procs[p].index.expect("a reader is attached"));
        match s.procs[p].step {
            Step::JoinHead => {
                let head = s.mem.head.seq;
                s.procs[p].seq = if self.from_oldest { (head + 2).saturating_sub(self.ring).max(1) } else { head + 1 };
                s.procs[p].told = s.procs[p].seq;
                if self.roles[p] == Role::Lossy { Step::Await } else { Step::JoinStore }
            }
            Step::JoinStore => {
                s.mem.records[me].cursor = s.procs[p].seq << 2 | ACTIVE;
                match self.mutant {
                    Mutant::JoinWithoutIntent => Step::Await,
                    _ if self.count_joins => Step::JoinCount,
                    _ => Step::JoinCheck,
                }
            }
            Step::JoinCount => {
                s.mem.joins += 1;
                Step::JoinCheck
            }
            Step::JoinCheck if s.procs[p].seq + self.ring > s.mem.intent => Step::Await,
            Step::JoinCheck => {
                s.procs[p].seq = s.mem.intent - self.ring + 1;
                Step::JoinStore
            }
            other => unreachable!("{other:?} is no step of a join"),
        }
    }

    /// Loads `head` and decides which frame to look for. A lossy reader jumps over what the producer may be overwriting.
    fn find(&self, s: &mut State, p: usize) -> Step {
        let head = s.mem.head;
        let me = &mut s.procs[p];
        match self.roles[p] {
            Role::Newest => {
                me.frame = head;
                if me.seq > head.seq {
                    s.fault(Fault::HeadJumps);
                }
                return Step::Pin;
            }
            Role::Lossy => {
                let spare = if self.mutant == Mutant::LossyJumpShort { 1 } else { 2 };
                if me.seq + self.ring < head.seq + spare {
                    let lost = head.seq + spare - self.ring - me.seq;
                    me.told += lost;
                    me.seq += lost;
                }
            }
            _ => {}
        }
        Step::Entry
    }

    fn entry(&self, s: &mut State, p: usize) -> Step {
        let seq = s.procs[p].seq;
        let entry = s.mem.entry(seq, self.ring);
        if entry.seq != seq {
            return self.missed(s, p);
        }
        s.procs[p].frame = entry;
        match self.roles[p] {
            Role::Copier => Step::Validate,
            Role::Lossless if self.mutant == Mutant::UseWithoutPin => Step::Read { half: 0 },
            Role::Lossless if self.mutant == Mutant::AdvanceBeforePin => Step::Advance,
            _ => Step::Pin,
        }
    }

    /// Moves the cursor past the frame at hand. From here the pin alone keeps the slot.
    fn advance(&self, s: &mut State, p: usize) -> Step {
        let me = usize::from(s.procs[p].index.expect("a reader is attached"));
        let seq = s.procs[p].seq;
        let cursor = &mut s.mem.records[me].cursor;
        if *cursor != seq << 2 | ACTIVE {
            return Step::Unpin { used: false };
        }
        *cursor = (seq + 1) << 2 | ACTIVE;
        if self.advances_late() {
            Step::Unpin { used: true }
        } else if self.mutant == Mutant::AdvanceBeforePin {
            Step::Pin
        } else {
            Step::Read { half: 0 }
        }
    }

    /// The text's order: the cursor moves after use. It must hold as well.
    fn advances_late(&self) -> bool {
        self.advance == Advance::AfterUse || self.mutant == Mutant::UseWithoutPin
    }

    /// Delivers the frame: both halves of one write, and the same write for whoever reads this sequence.
    fn accept(&self, s: &mut State, p: usize) {
        let me = &mut s.procs[p];
        let (seq, [first, second]) = (me.frame.seq, std::mem::take(&mut me.halves));
        if self.roles[p] == Role::Lossy {
            me.told += 1;
        }
        s.settle(seq, first, second);
    }

    /// The frame at hand was delivered.
    fn after_frame(&self, s: &mut State, p: usize) -> Step {
        let me = &mut s.procs[p];
        me.seq = match self.roles[p] {
            Role::Newest => me.frame.seq,
            _ => me.seq + 1,
        };
        me.frame = Frame::default();
        self.next_read(s, p)
    }

    /// The frame looked for was gone.
    fn missed(&self, s: &mut State, p: usize) -> Step {
        let me = &mut s.procs[p];
        me.frame = Frame::default();
        match self.roles[p] {
            Role::Newest => Step::Await,
            Role::Lossless => Step::AmEvicted,
            _ => {
                if self.roles[p] == Role::Lossy {
                    me.told += 1;
                }
                me.seq += 1;
                self.next_read(s, p)
            }
        }
    }

    fn lagged(&self, s: &mut State, p: usize) -> Step {
        match self.next_read(s, p) {
            Step::Await => Step::JoinHead,
            leave => leave,
        }
    }

    fn next_read(&self, s: &mut State, p: usize) -> Step {
        let me = &mut s.procs[p];
        me.todo -= 1;
        if me.todo > 0 {
            return Step::Await;
        }
        (me.seq, me.told, me.frame) = (0, 0, Frame::default());
        if self.roles[p] == Role::Lossless { Step::LeaveRing } else { Step::Unregister }
    }
}
