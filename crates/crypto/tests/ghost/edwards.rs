//! edwards25519 on plain big integers, written from RFC 8032, section 5.1, and nothing else.
//!
//! Slow and not constant in time, so good for nothing but a second opinion.

use std::sync::LazyLock;

use num_bigint::BigUint;

/// Extended homogeneous coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z.
#[derive(Debug, Clone)]
pub struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
    t: BigUint,
}

fn number(value: u32) -> BigUint {
    BigUint::from(value)
}

/// The prime 2^255 − 19.
static P: LazyLock<BigUint> = LazyLock::new(|| (number(1) << 255u32) - number(19));
/// The order of the base point: 2^252 + 27742317777372353535851937790883648493.
pub static L: LazyLock<BigUint> = LazyLock::new(|| {
    let tail: BigUint = "27742317777372353535851937790883648493".parse().expect("digits");
    (number(1) << 252u32) + tail
});
/// −121665/121666.
static D: LazyLock<BigUint> = LazyLock::new(|| (&*P - number(121_665)) * invert(&number(121_666)) % &*P);
/// The point with y = 4/5 and even x.
static BASE: LazyLock<Point> = LazyLock::new(|| {
    let y = number(4) * invert(&number(5)) % &*P;
    let mut bytes = [0; 32];
    bytes[..y.to_bytes_le().len()].copy_from_slice(&y.to_bytes_le());
    Point::decompress(&bytes).expect("the base point")
});

fn invert(value: &BigUint) -> BigUint {
    value.modpow(&(&*P - number(2)), &P)
}

fn minus(a: &BigUint, b: &BigUint) -> BigUint {
    (a + &*P - b % &*P) % &*P
}

impl Point {
    fn of(x: BigUint, y: BigUint) -> Self {
        let t = &x * &y % &*P;
        Self { x, y, z: number(1), t }
    }

    fn neutral() -> Self {
        Self::of(number(0), number(1))
    }

    /// Section 5.1.4.
    pub fn add(&self, other: &Self) -> Self {
        let a = minus(&self.y, &self.x) * minus(&other.y, &other.x) % &*P;
        let b = (&self.y + &self.x) * (&other.y + &other.x) % &*P;
        let c = &self.t * number(2) * &*D * &other.t % &*P;
        let d = &self.z * number(2) * &other.z % &*P;
        let (e, f, g, h) = (minus(&b, &a), minus(&d, &c), (&d + &c) % &*P, (&b + &a) % &*P);
        Self { x: &e * &f % &*P, y: &g * &h % &*P, t: &e * &h % &*P, z: &f * &g % &*P }
    }

    pub fn times(&self, scalar: &BigUint) -> Self {
        let mut sum = Self::neutral();
        for bit in (0..scalar.bits()).rev() {
            sum = sum.add(&sum);
            if scalar.bit(bit) {
                sum = sum.add(self);
            }
        }
        sum
    }

    pub fn base_times(scalar: &BigUint) -> Self {
        BASE.times(scalar)
    }

    /// Section 5.1.2.
    pub fn compress(&self) -> [u8; 32] {
        let z = invert(&self.z);
        let (x, y) = (&self.x * &z % &*P, &self.y * &z % &*P);
        let mut bytes = [0; 32];
        let encoded = y.to_bytes_le();
        bytes[..encoded.len()].copy_from_slice(&encoded);
        bytes[31] |= u8::from(x.bit(0)) << 7;
        bytes
    }

    /// Section 5.1.3.
    pub fn decompress(bytes: &[u8; 32]) -> Option<Self> {
        let sign = bytes[31] >> 7 == 1;
        let mut bytes = *bytes;
        bytes[31] &= 0x7f;
        let y = BigUint::from_bytes_le(&bytes);
        if y >= *P {
            return None;
        }
        let y2 = &y * &y % &*P;
        let square = minus(&y2, &number(1)) * invert(&((&*D * &y2 + number(1)) % &*P)) % &*P;
        let mut x = square.modpow(&((&*P + number(3)) >> 3u32), &P);
        if &x * &x % &*P != square {
            x = x * number(2).modpow(&((&*P - number(1)) >> 2u32), &P) % &*P;
        }
        if &x * &x % &*P != square || (x == number(0) && sign) {
            return None;
        }
        if x.bit(0) != sign {
            x = &*P - x;
        }
        Some(Self::of(x, y))
    }
}
