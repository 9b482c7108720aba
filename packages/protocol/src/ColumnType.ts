/**
 * Column types as numbers on the wire, column flags, and the names that people know them by.
 *
 * Manual: "Column Type" of the text protocol resultset, "Column Definition Flags".
 *
 * @since 0.1.0
 */
import type { Column } from "./reply/Column.ts"

/**
 * The numbers of the types in column definitions and of parameters. Manual: "Column Type".
 *
 * @since 0.1.0
 * @category constants
 */
export const ColumnType = {
  DECIMAL: 0x00,
  TINY: 0x01,
  SHORT: 0x02,
  LONG: 0x03,
  FLOAT: 0x04,
  DOUBLE: 0x05,
  NULL: 0x06,
  TIMESTAMP: 0x07,
  LONGLONG: 0x08,
  INT24: 0x09,
  DATE: 0x0a,
  TIME: 0x0b,
  DATETIME: 0x0c,
  YEAR: 0x0d,
  NEWDATE: 0x0e,
  VARCHAR: 0x0f,
  BIT: 0x10,
  VECTOR: 0xf2,
  JSON: 0xf5,
  NEWDECIMAL: 0xf6,
  ENUM: 0xf7,
  SET: 0xf8,
  TINY_BLOB: 0xf9,
  MEDIUM_BLOB: 0xfa,
  LONG_BLOB: 0xfb,
  BLOB: 0xfc,
  VAR_STRING: 0xfd,
  STRING: 0xfe,
  GEOMETRY: 0xff
} as const

/**
 * The bits of `flags` in a column definition. Manual: "Column Definition Flags".
 *
 * @since 0.1.0
 * @category constants
 */
export const ColumnFlag = {
  NOT_NULL: 0x0001,
  PRIMARY_KEY: 0x0002,
  UNIQUE_KEY: 0x0004,
  BLOB: 0x0010,
  UNSIGNED: 0x0020,
  ZEROFILL: 0x0040,
  BINARY: 0x0080,
  ENUM: 0x0100,
  AUTO_INCREMENT: 0x0200,
  SET: 0x0800,
  NUMBER: 0x8000
} as const

/**
 * The collation number of byte strings.
 *
 * @since 0.1.0
 * @category constants
 */
export const binaryCollation = 63

const integerNames: Readonly<Record<number, string>> = {
  [ColumnType.TINY]: "TINYINT",
  [ColumnType.SHORT]: "SMALLINT",
  [ColumnType.INT24]: "MEDIUMINT",
  [ColumnType.LONG]: "INT",
  [ColumnType.LONGLONG]: "BIGINT"
}

const plainNames: Readonly<Record<number, string>> = {
  [ColumnType.DECIMAL]: "DECIMAL",
  [ColumnType.NEWDECIMAL]: "DECIMAL",
  [ColumnType.FLOAT]: "FLOAT",
  [ColumnType.DOUBLE]: "DOUBLE",
  [ColumnType.NULL]: "NULL",
  [ColumnType.TIMESTAMP]: "TIMESTAMP",
  [ColumnType.DATE]: "DATE",
  [ColumnType.NEWDATE]: "DATE",
  [ColumnType.TIME]: "TIME",
  [ColumnType.DATETIME]: "DATETIME",
  [ColumnType.YEAR]: "YEAR",
  [ColumnType.BIT]: "BIT",
  [ColumnType.VECTOR]: "VECTOR",
  [ColumnType.JSON]: "JSON",
  [ColumnType.ENUM]: "ENUM",
  [ColumnType.SET]: "SET",
  [ColumnType.GEOMETRY]: "GEOMETRY"
}

/** `[text, bytes]`: the same number on the wire, told apart by the collation. */
const stringNames: Readonly<Record<number, readonly [string, string]>> = {
  [ColumnType.VARCHAR]: ["VARCHAR", "VARBINARY"],
  [ColumnType.VAR_STRING]: ["VARCHAR", "VARBINARY"],
  [ColumnType.STRING]: ["CHAR", "BINARY"],
  [ColumnType.TINY_BLOB]: ["TINYTEXT", "TINYBLOB"],
  [ColumnType.BLOB]: ["TEXT", "BLOB"],
  [ColumnType.MEDIUM_BLOB]: ["MEDIUMTEXT", "MEDIUMBLOB"],
  [ColumnType.LONG_BLOB]: ["LONGTEXT", "LONGBLOB"]
}

/**
 * The server's type by name, e.g. `BIGINT UNSIGNED`, `VARCHAR`, MariaDB's `JSON` and `UUID` included. A type that this
 * package does not know is `UNKNOWN(n)`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const nameOf = (column: Column): string => {
  if (column.format === "json") return "JSON"
  if (column.extendedType !== undefined) return column.extendedType.toUpperCase()
  if ((column.flags & ColumnFlag.ENUM) !== 0) return "ENUM"
  if ((column.flags & ColumnFlag.SET) !== 0) return "SET"
  const integer = integerNames[column.type]
  if (integer !== undefined) return (column.flags & ColumnFlag.UNSIGNED) !== 0 ? `${integer} UNSIGNED` : integer
  const string = stringNames[column.type]
  if (string !== undefined) return string[column.collation === binaryCollation ? 1 : 0]
  const name = plainNames[column.type] ?? `UNKNOWN(${column.type})`
  const unsigned =
    column.type === ColumnType.NEWDECIMAL || column.type === ColumnType.FLOAT || column.type === ColumnType.DOUBLE
  return unsigned && (column.flags & ColumnFlag.UNSIGNED) !== 0 ? `${name} UNSIGNED` : name
}
