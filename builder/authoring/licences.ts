/** Guesses the SPDX expression of a licence from its text, or from the short name that Debian has for it. Only guesses. */

/** Undefined when no known licence is recognised. */
export function licenceIn(text: string): string | undefined {
  const plain = text.slice(0, 40_000).replace(/\s+/g, ' ')
  const gnu = /GNU (AFFERO |LESSER |LIBRARY )?GENERAL PUBLIC LICENSE Version (\d(?:\.\d)?)/i.exec(plain)
  if (gnu !== null) {
    const [, kind = '', version = ''] = gnu
    const prefix = /affero/i.test(kind) ? 'AGPL' : kind === '' ? 'GPL' : 'LGPL'
    return `${prefix}-${version.includes('.') ? version : `${version}.0`}-or-later`
  }
  if (/Permission is hereby granted, free of charge, to any person obtaining a copy/i.test(plain)) return 'MIT'
  if (/Apache License,? Version 2\.0/i.test(plain)) return 'Apache-2.0'
  if (/Mozilla Public License,? Version 2\.0/i.test(plain)) return 'MPL-2.0'
  if (
    /Permission to use, copy, modify, and(?:\/or)? distribute this software for any purpose with or without fee/i.test(
      plain,
    )
  )
    return 'ISC'
  if (/This is free and unencumbered software released into the public domain/i.test(plain)) return 'Unlicense'
  if (/Redistribution and use in source and binary forms/i.test(plain)) {
    return /Neither the name|may not be used to endorse/i.test(plain) ? 'BSD-3-Clause' : 'BSD-2-Clause'
  }
  if (/provided 'as-is', without any express or implied warranty/i.test(plain)) return 'Zlib'
  return undefined
}

/** Of a file debian/copyright in machine-readable form: the licence of most of the files. */
export function licenceOfDebian(short: string): string | undefined {
  const known: Readonly<Record<string, string>> = {
    expat: 'MIT',
    mit: 'MIT',
    isc: 'ISC',
    zlib: 'Zlib',
    'apache-2.0': 'Apache-2.0',
    'bsd-2-clause': 'BSD-2-Clause',
    'bsd-3-clause': 'BSD-3-Clause',
    'public-domain': 'LicenseRef-public-domain',
  }
  const name = short.trim().toLowerCase()
  const [, family = '', version = '', later = ''] = /^(gpl|lgpl|agpl|mpl|gfdl)-(\d(?:\.\d+)?)(\+?)$/.exec(name) ?? []
  if (family === '') return known[name]
  const spdx = `${family.toUpperCase()}-${version.includes('.') ? version : `${version}.0`}`
  return family === 'mpl' ? spdx : `${spdx}-${later === '+' ? 'or-later' : 'only'}`
}
