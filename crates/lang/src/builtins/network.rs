//! `cidr_match`.

use std::net::{IpAddr, Ipv4Addr};

use super::{Row, variadic};
use crate::convert::{parse_integer, to_text};
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};

pub(super) const SYSTEM: &[Row] = &[variadic(
    "cidr_match",
    &["pattern", "ip", "mode"],
    true,
    cidr_match,
)];

fn cidr_match(c: &Call<'_>) -> Outcome {
    if c.arguments.len() < 2 {
        return Err(Fault::new(
            "CIDR and IP address must be specified for cidr_match().",
        ));
    }
    let mut parsed = None;
    super::patterns::each(c, "cidr_match", |text| {
        // Where there is nothing to match, the pattern may be anything.
        let (network, bits) = match parsed {
            Some(parsed) => parsed,
            None => *parsed.insert(parse_cidr(&to_text(c.argument(0)))?),
        };
        let Some(address) = parse_address(text) else {
            return Ok(false);
        };
        let shift = 128 - bits;
        Ok(bits == 0 || network >> shift == address >> shift)
    })
}

/// IPv4 addresses as IPv4-mapped IPv6 addresses.
fn parse_address(text: &str) -> Option<u128> {
    Some(match text.parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => mapped(address),
        IpAddr::V6(address) => u128::from(address),
    })
}

fn mapped(address: Ipv4Addr) -> u128 {
    u128::from(address.to_ipv6_mapped())
}

fn parse_cidr(text: &str) -> Outcome<(u128, u32)> {
    let invalid = || Fault::new("Invalid IP address specified.");
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(parse_integer(bits)?)),
        None => (text, None),
    };
    let value = parse_address(address).ok_or_else(invalid)?;
    let is_v4 = address.parse::<Ipv4Addr>().is_ok();
    let width = if is_v4 { 32 } else { 128 };
    let bits = bits.unwrap_or(width);
    if !(0..=width).contains(&bits) {
        let version = if is_v4 { 4 } else { 6 };
        return Err(Fault::new(format!(
            "Mask must be between 0 and {width} for IPv{version} CIDR masks."
        )));
    }
    let bits = u32::try_from(if is_v4 { bits + 96 } else { bits }).unwrap_or(128);
    let host_bits = 128 - bits;
    let masked = if host_bits == 128 {
        0
    } else {
        value >> host_bits << host_bits
    };
    if masked != value {
        return Err(Fault::new("Masked-off bits must all be zero."));
    }
    Ok((value, bits))
}
