//! Arithmetic in the field of 256 elements, as erasure codes of few pieces use it: a byte is a polynomial over two elements,
//! modulo x⁸ + x⁴ + x³ + x² + 1. Adding is exclusive or.

/// The modulus without its highest term.
const MODULUS: u8 = 0x1d;

pub(super) fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product) = (a, b, 0);
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = double(a);
        b >>= 1;
    }
    product
}

/// The element that gives 1 with `a`, which must not be 0: a²⁵⁴, since a²⁵⁵ = 1.
pub(super) fn inverse(a: u8) -> u8 {
    assert!(a != 0, "zero has no inverse");
    let (mut power, mut result) = (a, 1);
    for _ in 1..8 {
        power = multiply(power, power);
        result = multiply(result, power);
    }
    result
}

/// Adds `factor` times `from` to `to`, byte by byte.
pub(super) fn add_multiple(factor: u8, from: &[u8], to: &mut [u8]) {
    match factor {
        0 => {}
        1 => to.iter_mut().zip(from).for_each(|(to, from)| *to ^= from),
        _ => {
            let products = products(factor);
            to.iter_mut().zip(from).for_each(|(to, from)| *to ^= products[usize::from(*from)]);
        }
    }
}

/// All multiples of an element: each is the sum of one that is known and one of a single bit.
fn products(factor: u8) -> [u8; 256] {
    let (mut of_bit, mut next) = ([0; 8], factor);
    for product in &mut of_bit {
        *product = next;
        next = double(next);
    }
    let mut products = [0; 256];
    for number in 1..256_usize {
        products[number] = products[number & (number - 1)] ^ of_bit[number.trailing_zeros() as usize];
    }
    products
}

fn double(a: u8) -> u8 {
    (a << 1) ^ if a & 0x80 == 0 { 0 } else { MODULUS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_field() {
        for a in 0..=255 {
            let products = products(a);
            for b in 0..=255 {
                assert_eq!(multiply(a, b), multiply(b, a));
                assert_eq!(products[usize::from(b)], multiply(a, b));
                // Of a few third elements, since all would be 16 million.
                for c in [1, 2, 87, 255] {
                    assert_eq!(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c), "{a} {b} {c}");
                    assert_eq!(multiply(multiply(a, b), c), multiply(a, multiply(b, c)), "{a} {b} {c}");
                }
            }
            if a != 0 {
                assert_eq!(multiply(a, inverse(a)), 1, "{a}");
            }
        }
    }
}
