//! Bodies and their laws of motion: the same lines for one process and for a team.

use ndarray::ArrayRef1;
use sharray::Element;

/// Closer than this, the pull grows no more: bodies stand for many stars.
const SOFTENING: f64 = 0.05;

/// The longest step in time, and the longest way that a body goes in one.
const LONGEST: f64 = 0.02;
const FARTHEST: f64 = 0.02;

/// The mass of what is in the middle of a galaxy.
const MIDDLE: f64 = 0.5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Element)]
#[repr(C)]
pub(crate) struct Body {
    pub(crate) place: [f64; 3],
    pub(crate) velocity: [f64; 3],
    pub(crate) mass: f64,
}

impl Body {
    pub(crate) fn numbers(&self) -> impl Iterator<Item = f64> {
        self.place.into_iter().chain(self.velocity).chain([self.mass])
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
        for (pull, way) in pull.iter_mut().zip(way) {
            *pull += strength * way;
        }
    }
    for ((place, velocity), pull) in body.place.iter_mut().zip(&mut body.velocity).zip(pull) {
        *velocity += pull * dt;
        *place += *velocity * dt;
    }
    body
}

/// Two discs that turn around heavy middles, on their way to each other.
pub(crate) fn galaxies(bodies: &mut ArrayRef1<Body>) {
    let mut chance = Chance(1);
    for (number, body) in bodies.iter_mut().enumerate() {
        let side = if number % 2 == 0 { 1.0 } else { -1.0 };
        let (place, velocity) = ([1.0 * side, 0.35 * side], [-0.35 * side, 0.0]);
        let radius = if number < 2 { 0.0 } else { 0.15 + 0.6 * chance.next() };
        let (sine, cosine) = (chance.next() * std::f64::consts::TAU).sin_cos();
        // What a circle around the middle takes.
        let speed = MIDDLE.sqrt() * radius / (radius * radius + SOFTENING * SOFTENING).powf(0.75);
        body.place = [place[0] + radius * cosine, place[1] + radius * sine, 0.1 * radius * (chance.next() - 0.5)];
        body.velocity = [velocity[0] - speed * sine, velocity[1] + speed * cosine, 0.0];
        body.mass = if number < 2 { MIDDLE } else { 1e-5 };
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
