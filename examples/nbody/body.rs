//! Bodies and their laws of motion: the same lines for one process and for a team.

use ndarray::ArrayRef1;
use sharray::Element;

/// Closer than this, the pull grows no more: bodies stand for many stars.
const SOFTENING: f64 = 0.05;

/// The longest step in time, and the longest way that a body goes in one.
const LONGEST: f64 = 0.02;
const FARTHEST: f64 = 0.02;

#[derive(Clone, Copy, Debug, Default, PartialEq, Element)]
#[repr(C)]
pub(crate) struct Body {
    pub(crate) place: [f64; 3],
    pub(crate) velocity: [f64; 3],
    pub(crate) mass: f64,
}

impl Body {
    pub(crate) fn numbers(&self) -> [f64; 7] {
        let ([x, y, z], [u, v, w]) = (self.place, self.velocity);
        [x, y, z, u, v, w, self.mass]
    }
}

/// The greatest speed of some bodies.
pub(crate) fn fastest<'b>(bodies: impl Iterator<Item = &'b Body>) -> f64 {
    bodies.map(|body| body.velocity.iter().map(|speed| speed * speed).sum::<f64>().sqrt()).fold(0.0, f64::max)
}

/// How long a step may be.
pub(crate) fn time_step(fastest: f64) -> f64 {
    if fastest * LONGEST > FARTHEST { FARTHEST / fastest } else { LONGEST }
}

/// A body after a step, in which all pulled it. The pulls are added in the order of the bodies, whoever does it.
pub(crate) fn pulled(at: usize, bodies: &ArrayRef1<Body>, dt: f64) -> Body {
    let mut body = bodies[at];
    let mut pull = [0.0; 3];
    for other in bodies {
        let way: [f64; 3] = std::array::from_fn(|axis| other.place[axis] - body.place[axis]);
        let square = way.iter().fold(SOFTENING * SOFTENING, |sum, way| sum + way * way);
        let strength = other.mass / (square * square.sqrt());
        for axis in 0..3 {
            pull[axis] += strength * way[axis];
        }
    }
    for axis in 0..3 {
        body.velocity[axis] += pull[axis] * dt;
        body.place[axis] += body.velocity[axis] * dt;
    }
    body
}

/// Two discs that turn, on their way to each other.
pub(crate) fn galaxies(bodies: &mut ArrayRef1<Body>) {
    let mass = 1.0 / bodies.len().max(1) as f64;
    let mut chance = Chance(1);
    for (number, body) in bodies.iter_mut().enumerate() {
        let side = if number % 2 == 0 { 1.0 } else { -1.0 };
        let radius = 0.05 + 0.75 * chance.next().sqrt();
        let (sine, cosine) = (chance.next() * std::f64::consts::TAU).sin_cos();
        // Half of all the mass is in a disc, and what is nearer to its middle pulls.
        let speed = (0.5 * radius * radius / 0.64 / radius).sqrt();
        let tilt = 0.1 * (chance.next() - 0.5);
        body.place = [radius * cosine + 1.2 * side, radius * sine + 0.4 * side, tilt];
        body.velocity = [-speed * sine - 0.25 * side, speed * cosine, 0.0];
        body.mass = mass;
    }
}

/// Numbers between 0 and 1 that look random, the same on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
