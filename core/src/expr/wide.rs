//! Unsigned numbers of 256 bits: products and scaled dividends of two 38-digit decimals. Only what decimals need.

/// `high * 2^128 + low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wide {
    high: u128,
    low: u128,
}

const HALF: u128 = u64::MAX as u128;

impl Wide {
    /// The number.
    pub const fn new(low: u128) -> Self {
        Self { high: 0, low }
    }

    /// `a * b`, which always fits.
    pub fn product(a: u128, b: u128) -> Self {
        if let Some(low) = a.checked_mul(b) {
            return Self::new(low);
        }
        let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
        let (low, cross1, cross2, high) = (a0 * b0, a1 * b0, a0 * b1, a1 * b1);
        let middle = (low >> 64) + (cross1 & HALF) + (cross2 & HALF);
        Self { high: high + (cross1 >> 64) + (cross2 >> 64) + (middle >> 64), low: (middle << 64) | (low & HALF) }
    }

    /// `self * b`, if it fits.
    pub fn checked_mul(self, b: u128) -> Option<Self> {
        let low = Self::product(self.low, b);
        let high = self.high.checked_mul(b)?.checked_add(low.high)?;
        Some(Self { high, low: low.low })
    }

    /// `self + b`, if it fits.
    pub fn checked_add(self, b: Self) -> Option<Self> {
        let (low, carry) = self.low.overflowing_add(b.low);
        let high = self.high.checked_add(b.high)?.checked_add(carry.into())?;
        Some(Self { high, low })
    }

    /// `self - b`, which must not be greater.
    pub fn minus(self, b: Self) -> Self {
        assert!(self >= b, "{self:?} - {b:?}");
        let (low, borrow) = self.low.overflowing_sub(b.low);
        Self { high: self.high - b.high - u128::from(borrow), low }
    }

    /// Quotient and remainder.
    pub fn div_rem(self, divisor: u128) -> (Self, u128) {
        assert!(divisor != 0, "decimals check their divisors");
        if self.high == 0 {
            return (Self::new(self.low / divisor), self.low % divisor);
        }
        // Bit by bit below the high half: rare (more than 38 digits on the way), and easy to trust.
        let (high, mut rest) = (self.high / divisor, self.high % divisor);
        let mut low = 0_u128;
        for i in (0..128).rev() {
            let carry = rest >> 127;
            rest = rest << 1 | self.low >> i & 1;
            low <<= 1;
            if carry == 1 || rest >= divisor {
                rest = rest.wrapping_sub(divisor);
                low |= 1;
            }
        }
        (Self { high, low }, rest)
    }

    /// The number, if it has at most 128 bits.
    pub fn narrow(self) -> Option<u128> {
        (self.high == 0).then_some(self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_undoes_multiplication() {
        let samples = [1, 2, 3, 7, u128::from(u64::MAX), 1 << 64, 10_u128.pow(38) - 1, u128::MAX - 1, u128::MAX];
        for a in samples {
            for b in samples {
                for rest in [0, 1, b / 2, b - 1].into_iter().filter(|&r| r < b) {
                    let dividend = Wide::product(a, b).checked_add(Wide::new(rest));
                    let dividend = dividend.expect("below 2^256");
                    assert_eq!(dividend.div_rem(b), (Wide::new(a), rest), "{a} * {b} + {rest}");
                    assert_eq!(dividend.minus(Wide::new(rest)), Wide::product(b, a));
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let big = Wide::product(u128::MAX, u128::MAX);
        assert_eq!(big.checked_mul(2), None);
        assert_eq!(big.narrow(), None);
        assert_eq!(Wide::new(5).checked_mul(7).and_then(Wide::narrow), Some(35));
    }
}
