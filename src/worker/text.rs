//! Texts that lie in shared memory.

/// A text of at most `N` bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Text<const N: usize> {
    pub(super) len: u16,
    pub(super) bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// Keeps as much of a text as has room, cut between two characters.
    pub fn set(&mut self, text: &str) {
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        if let (Some(to), Some(from)) = (self.bytes.get_mut(..end), text.as_bytes().get(..end)) {
            to.copy_from_slice(from);
            self.len = u16::try_from(end).unwrap_or(0);
        }
    }

    /// The text, or `None` for an empty one.
    pub fn get(&self) -> Option<String> {
        let bytes = self.bytes.get(..usize::from(self.len))?;
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
    }
}
