//! The three value types that both engines share, and rows made of them.

use bytes::{Bytes, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::DbError;

/// A parameter of a statement, borrowed from the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// SQL `NULL`.
    Null,
    /// 64-bit integer; times are microseconds since 1970.
    Int(i64),
    /// UTF-8 text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Value::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Value::Blob(value)
    }
}

impl<'a> From<&'a Bytes> for Value<'a> {
    fn from(value: &'a Bytes) -> Self {
        Value::Blob(value)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// Makes the parameter list of a statement: `params![name, size, content]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::Value::from($value)),*] as &[$crate::Value<'_>] };
}

/// A value read from the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// SQL `NULL`.
    Null,
    /// 64-bit integer.
    Int(i64),
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Blob(Bytes),
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub(crate) Vec<Stored>);

impl Row {
    /// Reads column `column` (from 0) as `T`; `Option<T>` admits `NULL`.
    ///
    /// # Errors
    /// [`DbError::Type`] if the column is missing or holds another type.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T, DbError> {
        self.0.get(column).and_then(T::from_value).ok_or(DbError::Type { column, expected: T::NAME })
    }
}

/// A type that a column can be read as.
pub trait FromValue: Sized {
    /// Name for error messages.
    const NAME: &'static str;
    /// Converts, or `None` if the stored type is another.
    fn from_value(value: &Stored) -> Option<Self>;
}

impl FromValue for i64 {
    const NAME: &'static str = "an integer";
    fn from_value(value: &Stored) -> Option<Self> {
        if let Stored::Int(value) = value { Some(*value) } else { None }
    }
}

impl FromValue for String {
    const NAME: &'static str = "text";
    fn from_value(value: &Stored) -> Option<Self> {
        if let Stored::Text(value) = value { Some(value.clone()) } else { None }
    }
}

impl FromValue for Bytes {
    const NAME: &'static str = "bytes";
    fn from_value(value: &Stored) -> Option<Self> {
        if let Stored::Blob(value) = value { Some(value.clone()) } else { None }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const NAME: &'static str = T::NAME;
    fn from_value(value: &Stored) -> Option<Self> {
        match value {
            Stored::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match *self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(value) if *ty == Type::INT4 => i32::try_from(value)?.to_sql(ty, out),
            Value::Int(value) => value.to_sql(ty, out),
            Value::Text(value) => value.to_sql(ty, out),
            Value::Blob(value) => value.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::INT4 | Type::TEXT | Type::VARCHAR | Type::BYTEA)
    }

    to_sql_checked!();
}

impl Row {
    pub(crate) fn from_sqlite(row: &rusqlite::Row<'_>, columns: usize) -> Result<Row, rusqlite::Error> {
        use rusqlite::types::ValueRef;
        let mut values = Vec::with_capacity(columns);
        for column in 0..columns {
            values.push(match row.get_ref(column)? {
                ValueRef::Null => Stored::Null,
                ValueRef::Integer(value) => Stored::Int(value),
                ValueRef::Real(value) => {
                    return Err(rusqlite::Error::IntegralValueOutOfRange(column, value as i64));
                }
                ValueRef::Text(value) => Stored::Text(
                    std::str::from_utf8(value)
                        .map_err(|error| rusqlite::Error::Utf8Error(column, error))?
                        .to_owned(),
                ),
                ValueRef::Blob(value) => Stored::Blob(Bytes::copy_from_slice(value)),
            });
        }
        Ok(Row(values))
    }

    pub(crate) fn from_postgres(row: &tokio_postgres::Row) -> Result<Row, DbError> {
        let mut values = Vec::with_capacity(row.len());
        for (index, column) in row.columns().iter().enumerate() {
            let value = match *column.type_() {
                Type::INT8 => row.try_get::<_, Option<i64>>(index)?.map(Stored::Int),
                Type::INT4 => row.try_get::<_, Option<i32>>(index)?.map(|value| Stored::Int(value.into())),
                Type::BYTEA => {
                    row.try_get::<_, Option<Vec<u8>>>(index)?.map(|value| Stored::Blob(value.into()))
                }
                Type::TEXT | Type::VARCHAR => row.try_get::<_, Option<String>>(index)?.map(Stored::Text),
                _ => return Err(DbError::Type { column: index, expected: "integer, text or bytes" }),
            };
            values.push(value.unwrap_or(Stored::Null));
        }
        Ok(Row(values))
    }
}
