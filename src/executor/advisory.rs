//! The product's own lock on a workspace: whoever holds it decides on the workspace.
//!
//! Each executor of the product's tries the advisory lock of a workspace before it
//! builds. Ours takes the same keys, so both can run side by side.

use uuid::Uuid;

/// The key of a workspace's lock: 64-bit FNV-1 of `lifecycle-executor:<uuid>`.
pub(crate) fn lock_key(workspace_id: Uuid) -> i64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = format!("lifecycle-executor:{workspace_id}")
        .bytes()
        .fold(OFFSET_BASIS, |hash, byte| {
            hash.wrapping_mul(PRIME) ^ u64::from(byte)
        });
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_products_own() {
        assert_eq!(lock_key(Uuid::from_u128(1)), -8_688_044_229_374_812_842);
    }
}
