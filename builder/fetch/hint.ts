// Where a source may be had. Only a hint: it is no part of a derivation, and the SHA-256 decides what is let in.

export type SourceHint =
  | { readonly kind: 'urls'; readonly urls: readonly string[]; readonly size?: number } // size in bytes
  | { readonly kind: 'local'; readonly path: string } // relative to the channel's root
  | { readonly kind: 'git'; readonly url: string; readonly commit: string }
