//! Typed indices. Each is the declaration order of the thing in its topology, so it may decide an order.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The index, for use with a slice.
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The id for position `index` of a slice.
            ///
            /// # Panics
            /// At 2^32 things of one kind.
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("fewer than 2^32 things of one kind"))
            }
        }
    };
}

id!(
    /// A host, switch or router.
    NodeId
);
id!(
    /// A link, both directions.
    LinkId
);
id!(
    /// One direction of a link: twice the link's index, plus one for the backward direction.
    DirId
);
id!(
    /// A network interface, unique in its world; its MAC address derives from it.
    IfaceId
);

impl DirId {
    /// The direction from the link's first to its second end.
    pub const fn forward(link: LinkId) -> DirId {
        DirId(link.0 * 2)
    }

    /// The direction from the link's second to its first end.
    pub const fn backward(link: LinkId) -> DirId {
        DirId(link.0 * 2 + 1)
    }

    /// The link that this is a direction of.
    pub const fn link(self) -> LinkId {
        LinkId(self.0 / 2)
    }

    /// The same link's other direction.
    pub const fn reverse(self) -> DirId {
        DirId(self.0 ^ 1)
    }

    /// True for the direction from the link's first to its second end.
    pub const fn is_forward(self) -> bool {
        self.0.is_multiple_of(2)
    }
}
