//! Appenders of a table that follow each other, and readers below its length.

use super::{draw, explore, run};
use crate::protocol::World;
use crate::protocol::growable::{self, Extent};
use crate::protocol::lock::Local;
use crate::protocol::participant::Participant;
use crate::world::{Geometry, ShuttleWorld};

const TURNS: u32 = 4;
const ROWS: usize = 64;
const TABLE: Geometry = Geometry { participants: 0, slots: 0, ring: 1, blocks: 1, is_cell: false, rows: ROWS };
const EXTENT: Extent = Extent { max_len: ROWS as u64, row_bytes: 1 };

/// Appends rows that tell where they stand: nobody else's may come in between.
fn append(world: &ShuttleWorld, me: Participant) {
    let local = Local::new(1, world.blocks());
    for _ in 0..TURNS {
        assert!(local.take_role(world, me, 0, u64::MAX).expect("the words are sound"));
        let place = growable::next(world, EXTENT, u64::from(1 + draw(2))).expect("there is room");
        if let Some(lacking) = place.lacking {
            growable::reserved(world, lacking.end);
        }
        for row in place.rows.clone() {
            world.row(row).fill(row + 1);
        }
        growable::publish(world, &local, place.rows.end).expect("the words are sound");
    }
}

/// The rows that are there are whole, and never fewer than before.
fn watch(world: &ShuttleWorld, _: Participant) {
    let mut before = 0;
    for _ in 0..TURNS {
        let len = growable::len(world, EXTENT).expect("the words are sound");
        assert!(len >= before, "rows are gone");
        before = len;
        for row in 0..len {
            assert_eq!(world.row(row).look(), [row + 1; 2]);
        }
    }
}

/// Whoever dies of three appenders and three readers, what is there is whole, and a survivor goes on.
#[test]
fn tables_survive() {
    explore(|| {
        let (world, me) = run(TABLE, vec![append, append, watch, watch, append, watch]);
        watch(&world, me);
        append(&world, me);
        watch(&world, me);
    });
}
