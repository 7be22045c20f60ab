//! A statement's select list and the values of its rows, made from one list: nobody counts
//! positions.

/// Declares what a statement reads, a line each: `field: reader = expression`, where the
/// reader is a method of [`Row`](crate::server::row::Row) and the expression the SQL that
/// it reads. From the list come `list`, which is the select list, and `read`, which takes a
/// row's values in the same order.
macro_rules! select {
    (
        $(#[$doc:meta])*
        struct $name:ident($product:ident) {
            $($field:ident: $reader:ident = $sql:expr,)+
        }
    ) => {
        $(#[$doc])*
        struct $name {
            $($field: $crate::product::select::select!(@type $reader),)+
        }

        impl $name {
            fn list($product: &$crate::product::schema::Product) -> String {
                [$(String::from($sql)),+].join(", ")
            }

            fn read(
                row: &$crate::server::row::Row<'_>,
            ) -> Result<$name, $crate::server::error::Error> {
                let mut next = 0;
                let mut place = || {
                    next += 1;
                    next - 1
                };
                Ok($name {
                    $($field: row.$reader(place())?,)+
                })
            }
        }
    };
    (@type uuid) => { Option<uuid::Uuid> };
    (@type bool) => { bool };
    (@type optional_bool) => { Option<bool> };
    (@type bigint) => { Option<i64> };
    (@type text) => { Option<String> };
    (@type bytes) => { Option<Vec<u8>> };
    (@type time) => { Option<$crate::instant::Instant> };
}
pub(super) use select;
