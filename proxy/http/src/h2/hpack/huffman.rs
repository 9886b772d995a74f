//! The Huffman code of RFC 7541 appendix B. The code is canonical, so that the lengths alone define it: the tables are
//! computed from them while compiling.

/// Code length of each byte, then of the end mark.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,  5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

const LONGEST: usize = 30;
const END: u16 = 256;

/// Symbols in the order of their codes.
const SYMBOLS: [u16; 257] = {
    let mut symbols = [0; 257];
    let (mut n, mut length) = (0, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                symbols[n] = symbol as u16;
                n += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    symbols
};

/// For each length: its first code, how many codes shorter than it there are, and the first 32-bit window above its codes.
const RANGES: [(u32, u16, u64); LONGEST + 1] = {
    let mut ranges = [(0, 0, 0); LONGEST + 1];
    let (mut code, mut before, mut length) = (0u32, 0u16, 1);
    while length <= LONGEST {
        let mut count = 0;
        let mut symbol = 0;
        while symbol < 257 {
            count += (LENGTHS[symbol] as usize == length) as u32;
            symbol += 1;
        }
        ranges[length] = (code, before, ((code + count) as u64) << (32 - length));
        code = (code + count) << 1;
        before += count as u16;
        length += 1;
    }
    ranges
};

/// By the next eight bits: the symbol and its length, if it is that short.
static SHORT: [(u8, u8); 256] = {
    let mut short = [(0, 0); 256];
    let mut window = 0;
    while window < 256 {
        let mut length = 5;
        while length <= 8 {
            let (first, before, above) = RANGES[length];
            if ((window as u64) << 24) < above {
                let code = (window as u32) >> (8 - length);
                short[window] = (SYMBOLS[(before as u32 + code - first) as usize] as u8, length as u8);
                break;
            }
            length += 1;
        }
        window += 1;
    }
    short
};

/// The text does not follow the code, or its padding is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Appends the decoded text; at most 8/5 of the input.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    out.reserve(input.len() * 8 / 5 + 1);
    let (mut window, mut bits, mut rest) = (0u64, 0u32, input.iter());
    loop {
        while bits <= 56 {
            let Some(byte) = rest.next() else { break };
            window |= u64::from(*byte) << (56 - bits);
            bits += 8;
        }
        let (mut symbol, mut length) = SHORT[(window >> 56) as usize];
        if length == 0 {
            let (long, n) = long(window)?;
            (symbol, length) = (long, n);
        }
        if u32::from(length) > bits {
            return padding(window, bits);
        }
        out.push(symbol);
        window <<= length;
        bits -= u32::from(length);
    }
}

/// A code longer than eight bits; the end mark is no symbol and comes back longer than any input.
#[cold]
fn long(window: u64) -> Result<(u8, u8), Broken> {
    let top = window >> 32;
    let mut length = 9;
    while length < LONGEST && top >= RANGES[length].2 {
        length += 1;
    }
    let (first, before, _) = RANGES[length];
    let code = (top >> (32 - length)) as u32;
    match SYMBOLS.get((u32::from(before) + code - first) as usize) {
        Some(&END) | None => Ok((0, u8::MAX)),
        Some(&symbol) => Ok((symbol as u8, length as u8)),
    }
}

/// What is left must be less than a byte of ones (RFC 7541 section 5.2).
fn padding(window: u64, bits: u32) -> Result<(), Broken> {
    let ones = bits < 8 && (bits == 0 || window >> (64 - bits) == (1 << bits) - 1);
    if ones { Ok(()) } else { Err(Broken) }
}

/// Appends the encoded text: for tests, the encoder sends plain strings (see there).
#[cfg(test)]
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut window, mut bits) = (0u64, 0u32);
    for byte in text {
        let length = LENGTHS[*byte as usize] as usize;
        let place = SYMBOLS.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap() as u32;
        let (first, before, _) = RANGES[length];
        window = window << length | u64::from(first + place - u32::from(before));
        bits += length as u32;
        while bits >= 8 {
            bits -= 8;
            out.push((window >> bits) as u8);
        }
    }
    if bits > 0 {
        out.push((window << (8 - bits)) as u8 | (0xff >> bits));
    }
}
