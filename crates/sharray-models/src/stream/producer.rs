//! The producer (section 7): claim, takeover, loan, publish, close; and its gate on lossless cursors (section 8).
//!
//! `head`, `desc` and `ver` have one writer, the holder of `prod`. Its loads of them are therefore merged into its
//! next store: no other process could tell the difference, and a crash between the two is a crash before both.

use super::memory::{ACTIVE, CLOSED, EVICTED, Frame, bits, owner, tag};
use super::process::{Least, Loan, Resume, Role, Step};
use super::{Fault, Mutant, Policy, State, Stream};

impl Stream {
    /// The slots a loan for `seq` may take as far as the ring is concerned: none of the last H-1 frames, not the newest.
    pub(super) fn outside_ring(&self, s: &State, seq: u8) -> u8 {
        let mut mask = (1 << self.slots) - 1;
        if s.mem.head.seq > 0 {
            mask &= !(1 << s.mem.head.slot);
        }
        if self.mutant == Mutant::PoolIgnoresRing {
            return mask;
        }
        for entry in &s.mem.desc[..usize::from(self.ring)] {
            if entry.seq > 0 && entry.seq + self.ring > seq {
                mask &= !(1 << entry.slot);
            }
        }
        mask
    }

    /// A participant whose pin keeps one of `slots` though its byte is free.
    pub(super) fn dead_pinner(&self, s: &State, slots: u8) -> Option<u8> {
        bits(s.mem.occupied).find(|&i| {
            let pin = s.mem.record(i).pin;
            let dead = s.mem.byte_free(i) || self.mutant == Mutant::FalseDeath;
            dead && pin != 0 && slots & 1 << (pin - 1) != 0
        })
    }

    /// Slots outside the ring that nobody pins: what a starved producer waits for.
    fn unpinned(&self, s: &State, seq: u8) -> u8 {
        bits(s.mem.occupied).fold(self.outside_ring(s, seq), |mask, i| match s.mem.record(i).pin {
            0 => mask,
            pin => mask & !(1 << (pin - 1)),
        })
    }

    /// Whether a cursor stands in the way of publishing `seq`.
    fn gate_blocks(&self, cursor: u8, seq: u8) -> bool {
        let slack = u8::from(self.mutant == Mutant::GateOffByOne);
        cursor & ACTIVE != 0 && cursor & EVICTED == 0 && (cursor >> 2) + self.ring + slack <= seq
    }

    /// Whether a waiting producer has something to do.
    pub(super) fn producer_wakes(&self, s: &State, p: usize) -> bool {
        let me = &s.procs[p];
        match me.step {
            Step::Claim => owner(s.mem.prod).is_none_or(|i| s.mem.byte_free(i) || self.mutant == Mutant::FalseDeath),
            Step::Starved => {
                let seq = me.seq + 1;
                self.unpinned(s, seq) != 0 || self.dead_pinner(s, self.outside_ring(s, seq)).is_some()
            }
            Step::Blocked { by, .. } => {
                let dead = s.mem.byte_free(by) && self.mutant != Mutant::GateIgnoresDeath;
                dead || !self.gate_blocks(s.mem.record(by).cursor, me.seq + 1)
            }
            _ => true,
        }
    }

    /// The slots among which a loan chooses: all of them are tried, so no policy of choice can be unsafe.
    pub(super) fn slot_choices(&self, s: &State, p: usize, tried: u8) -> u8 {
        self.outside_ring(s, s.procs[p].seq + 1) & !tried
    }

    pub(super) fn produce(&self, s: &mut State, p: usize, choice: u8) -> Step {
        let index = s.procs[p].index.expect("a producer is attached");
        let seq = s.procs[p].seq + 1;
        match s.procs[p].step {
            Step::Claim => match owner(s.mem.prod) {
                None => {
                    s.mem.prod = tag(index, s.mem.record(index).generation);
                    self.take_over(s, p)
                }
                Some(index) => Step::Probe { index, resume: Resume::Claim },
            },
            Step::Finish => {
                Self::announce(s, self.half_published(s).expect("it was there before"));
                s.procs[p].seq = seq;
                self.reset_from(s, p, 0)
            }
            Step::Reset { slot } => {
                s.mem.ver[usize::from(slot)] = 0;
                self.reset_from(s, p, slot + 1)
            }
            Step::Intent => {
                s.mem.intent = seq;
                match (self.gated(), self.mutant) {
                    (true, Mutant::IntentAfterScan) | (false, _) => Step::Choose { tried: 0 },
                    (true, Mutant::LeastCursorKept) if self.least_lets_pass(s, p) => Step::Choose { tried: 0 },
                    (true, _) if self.count_joins => Step::GateJoins,
                    (true, _) => Step::GateOccupied,
                }
            }
            Step::GateJoins | Step::GateOccupied | Step::Gate { .. } | Step::Blocked { .. } | Step::Evict { .. } => {
                self.gate(s, p)
            }
            Step::Choose { .. } | Step::Starved | Step::ScanOccupied { .. } | Step::Scan { .. } | Step::Undo { .. } => {
                self.loan(s, p, choice)
            }
            Step::Write { slot, half } => {
                self.store_half(s, p, slot, half);
                if half == 0 { Step::Write { slot, half: 1 } } else { Step::Complete { slot } }
            }
            Step::Complete { slot } => {
                s.mem.ver[usize::from(slot)] = 2 * seq;
                Step::Describe { slot }
            }
            Step::Describe { slot } => {
                s.mem.desc[usize::from(seq % self.ring)] = Frame { seq, slot };
                Step::Announce { slot }
            }
            Step::Announce { slot } => {
                Self::announce(s, Frame { seq, slot });
                s.procs[p].seq = seq;
                s.procs[p].todo -= 1;
                self.next_frame(s, p)
            }
            Step::Close => {
                s.mem.prod = CLOSED;
                (s.procs[p].seq, s.procs[p].todo, s.procs[p].least) = (0, 0, Least::default());
                Step::Unregister
            }
            other => unreachable!("{other:?} is no step of a producer"),
        }
    }

    /// What a dead producer described but did not announce.
    fn half_published(&self, s: &State) -> Option<Frame> {
        let next = s.mem.entry(s.mem.head.seq + 1, self.ring);
        (next.seq == s.mem.head.seq + 1 && s.mem.version(next.slot) == 2 * next.seq).then_some(next)
    }

    fn take_over(&self, s: &mut State, p: usize) -> Step {
        s.procs[p].seq = s.mem.head.seq;
        let finish = !matches!(self.mutant, Mutant::TakeoverWithoutFinish | Mutant::TakeoverBare);
        if finish && self.half_published(s).is_some() { Step::Finish } else { self.reset_from(s, p, 0) }
    }

    fn reset_from(&self, s: &State, p: usize, first: u8) -> Step {
        let newest = 2 * s.procs[p].seq;
        let skip = matches!(self.mutant, Mutant::TakeoverWithoutReset | Mutant::TakeoverBare);
        match (first..self.slots).find(|&k| s.mem.version(k) > newest) {
            Some(slot) if !skip => Step::Reset { slot },
            _ => self.next_frame(s, p),
        }
    }

    fn next_frame(&self, s: &State, p: usize) -> Step {
        let me = &s.procs[p];
        if me.todo == 0 || me.seq >= self.last {
            Step::Close
        } else if self.gated() && self.mutant == Mutant::IntentAfterScan {
            Step::GateOccupied
        } else {
            Step::Intent
        }
    }

    fn gate(&self, s: &mut State, p: usize) -> Step {
        let index = s.procs[p].index.expect("a producer is attached");
        let seq = s.procs[p].seq + 1;
        let scan = |left: u8| match (left, self.mutant) {
            (0, Mutant::IntentAfterScan) => Step::Intent,
            (0, _) => Step::Choose { tried: 0 },
            _ => Step::Gate { left },
        };
        match s.procs[p].step {
            Step::GateJoins => {
                let joins = s.mem.joins;
                if s.procs[p].least.joins == joins && self.least_lets_pass(s, p) {
                    return Step::Choose { tried: 0 };
                }
                s.procs[p].least = Least { cursor: 0, joins };
                Step::GateOccupied
            }
            Step::GateOccupied => {
                if self.remembers() {
                    s.procs[p].least.cursor = u8::MAX;
                }
                scan(s.mem.occupied & !(1 << index))
            }
            Step::Gate { left } => {
                let by = bits(left).next().expect("someone is left");
                let cursor = s.mem.record(by).cursor;
                if self.remembers() && cursor & (ACTIVE | EVICTED) == ACTIVE {
                    let least = &mut s.procs[p].least.cursor;
                    *least = (*least).min(cursor >> 2);
                }
                match self.policy {
                    _ if !self.gate_blocks(cursor, seq) => scan(left & !(1 << by)),
                    Policy::Block => Step::Blocked { by, left },
                    Policy::Evict => Step::Evict { whom: by, cursor, left },
                }
            }
            Step::Blocked { by, left } => {
                if s.mem.byte_free(by) && self.gate_blocks(s.mem.record(by).cursor, seq) {
                    Step::Probe { index: by, resume: Resume::Gate }
                } else {
                    Step::Gate { left }
                }
            }
            Step::Evict { whom, cursor, left } => {
                let record = s.mem.record_mut(whom);
                if record.cursor == cursor {
                    record.cursor |= EVICTED;
                }
                Step::Gate { left }
            }
            other => unreachable!("{other:?} is no step of the gate"),
        }
    }

    fn loan(&self, s: &mut State, p: usize, choice: u8) -> Step {
        let index = s.procs[p].index.expect("a producer is attached");
        let seq = s.procs[p].seq + 1;
        match s.procs[p].step {
            Step::Choose { tried } => {
                if self.slot_choices(s, p, tried) == 0 {
                    return Step::Starved;
                }
                let old = s.mem.version(choice);
                let old = if old % 2 == 1 { 0 } else { old };
                s.mem.ver[usize::from(choice)] = 2 * seq - 1;
                if self.mutant == Mutant::LoanIgnoresPins {
                    return Step::Write { slot: choice, half: 0 };
                }
                Step::ScanOccupied { loan: Loan { slot: choice, old, tried } }
            }
            Step::Starved => match self.dead_pinner(s, self.outside_ring(s, seq)) {
                Some(index) => Step::Probe { index, resume: Resume::Choose },
                None => Step::Choose { tried: 0 },
            },
            Step::ScanOccupied { loan } => match s.mem.occupied & !(1 << index) {
                0 => Step::Write { slot: loan.slot, half: 0 },
                left => Step::Scan { loan, left },
            },
            Step::Scan { loan, left } => {
                let other = bits(left).next().expect("someone is left");
                let left = left & !(1 << other);
                if s.mem.record(other).pin == loan.slot + 1 {
                    Step::Undo { loan }
                } else if left == 0 {
                    Step::Write { slot: loan.slot, half: 0 }
                } else {
                    Step::Scan { loan, left }
                }
            }
            Step::Undo { loan } => {
                s.mem.ver[usize::from(loan.slot)] = loan.old;
                Step::Choose { tried: loan.tried | 1 << loan.slot }
            }
            other => unreachable!("{other:?} is no step of a loan"),
        }
    }

    fn store_half(&self, s: &mut State, p: usize, slot: u8, half: u8) {
        let leased = (0..self.roles.len()).any(|q| q != p && s.procs[q].leases(self.roles[q]) == Some(slot));
        if leased {
            s.fault(Fault::StoreUnderPin);
        }
        if half == 0 {
            s.ghost.loans += 1;
            s.procs[p].halves[0] = s.ghost.loans;
        }
        s.mem.payload[usize::from(slot)][usize::from(half)] = s.procs[p].halves[0];
        if half == 1 {
            s.procs[p].halves[0] = 0;
        }
    }

    fn announce(s: &mut State, frame: Frame) {
        if frame.seq != s.mem.head.seq + 1 {
            s.fault(Fault::HeadJumps);
        }
        s.mem.head = frame;
        let [first, second] = s.mem.payload[usize::from(frame.slot)];
        s.settle(frame.seq, first, second);
    }

    /// Whether the least cursor of the last scan would let the next frame pass.
    fn least_lets_pass(&self, s: &State, p: usize) -> bool {
        let me = &s.procs[p];
        if self.mutant == Mutant::LeastCursorKept && me.least.cursor == u8::MAX {
            return false;
        }
        u16::from(me.least.cursor) + u16::from(self.ring) > u16::from(me.seq) + 1 && me.least.cursor != 0
    }

    /// Whether the producer keeps the least cursor at all.
    fn remembers(&self) -> bool {
        self.count_joins || self.mutant == Mutant::LeastCursorKept
    }

    /// Whether the producer has a gate: only when someone may hold a cursor.
    fn gated(&self) -> bool {
        self.roles.contains(&Role::Lossless)
    }
}
