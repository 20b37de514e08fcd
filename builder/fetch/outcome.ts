// Why an address did not supply a source, in words for a person and in kinds for the decision what to try next.

export type FailureKind =
  | 'not-found' // the host answered: it does not have the file
  | 'status' // the host answered something else
  | 'network' // no connection, or it broke
  | 'slow'
  | 'redirect'
  | 'wrong-hash'
  | 'wrong-size'
  | 'skipped' // its host failed earlier in this run

export type Failure = {
  readonly kind: 'failed'
  readonly why: FailureKind
  readonly detail: string
  readonly deadOrigin?: string // set when nothing more should be asked of this origin in this run
}

export type Tried = { readonly address: string; readonly failure: Failure }

const connectFailures: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'the name could not be looked up',
  ECONNREFUSED: 'connection refused',
  EHOSTDOWN: 'host is down',
  EHOSTUNREACH: 'no route to host',
  ENETDOWN: 'network is down',
  ENETUNREACH: 'network is unreachable',
  ENODATA: 'the name does not exist',
  ENOTFOUND: 'the name does not exist',
  ETIMEDOUT: 'no connection in time',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
}

const brokenConnections: Readonly<Record<string, string>> = {
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  UND_ERR_BODY_TIMEOUT: 'no data in time',
  UND_ERR_HEADERS_OVERFLOW: 'too many headers',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_SOCKET: 'the connection closed too early',
}

/** From an error of undici or of Node's sockets. An origin that cannot be connected to, or does not answer, is dead. */
export function failureOf(error: unknown, url: URL): Failure {
  const code = codeOf(error)
  const connect = connectFailures[code]
  if (connect !== undefined) return { kind: 'failed', why: 'network', detail: connect, deadOrigin: url.origin }
  const broken = brokenConnections[code]
  const dead = code === 'UND_ERR_HEADERS_TIMEOUT' ? { deadOrigin: url.origin } : {}
  if (broken !== undefined) return { kind: 'failed', why: 'network', detail: broken, ...dead }
  if (/CERT|SSL|TLS/.test(code)) {
    return { kind: 'failed', why: 'network', detail: `secure connection failed (${code})`, deadOrigin: url.origin }
  }
  return { kind: 'failed', why: 'network', detail: code === '' ? 'the answer is not valid HTTP' : `failed (${code})` }
}

function codeOf(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return ''
}
