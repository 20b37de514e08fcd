/**
 * The signed parts of collateral, each with its signature and its time: what verify.ts verifies a quote with. Signatures are remembered
 * by the collateral and the signer's certificate; times are looked at each time.
 */
import { utf8 } from '../bytes.ts'
import { sha256 } from '../crypto.ts'
import { type ChainOptions, parseChain, type Role, type VerifiedCertificate, verifyChain } from './chain.ts'
import { type Collateral, type CollateralPart, encodeCollateral, type SignedText } from './collateral.ts'
import { parseCrl, requireCurrentCrl, type VerifiedCrl, verifyCrl } from './crl.ts'
import { isSignedBy } from './p256.ts'
import { requireTee, TeeError, type TeeReason } from './reasons.ts'
import { type Issued, parseQeIdentity, parseTcbInfo, type QeIdentity, type TcbInfo } from './tcb-info.ts'

/** What was found out before, each with the digest of the certificate that it was verified with. */
export type CollateralFindings = {
  readonly [P in CollateralPart]?: { readonly by: string; readonly value: PartTypes[P] }
}

type PartTypes = {
  readonly tcbInfo: TcbInfo
  readonly qeIdentity: QeIdentity
  readonly rootCrl: VerifiedCrl
  readonly pckCrl: VerifiedCrl
}

/** A part and who has signed it. */
export type PartOf<P extends CollateralPart> = {
  readonly collateral: Collateral
  readonly part: P
  readonly signer: VerifiedCertificate
}

export function chainOf<const R extends readonly Role[]>(pem: string, roles: R, options: ChainOptions) {
  return verifyChain(parseChain(pem, options.memory), roles, options)
}

/** Throws a TeeError: crl-… */
export function crlIn({ collateral, part, signer }: PartOf<'rootCrl' | 'pckCrl'>, { now, memory }: ChainOptions) {
  const known = memory.collateral.get(collateral)?.[part]
  if (known?.by === signer.digest) {
    requireCurrentCrl(known.value, signer, now)
    return known.value
  }
  const value = verifyCrl(parseCrl(collateral[part]), signer, now)
  memory.collateral.set(collateral, { ...memory.collateral.get(collateral), [part]: { by: signer.digest, value } })
  return value
}

/** Throws a TeeError: tcb-info-… */
export function tcbInfoIn(
  { collateral, signer }: Omit<PartOf<'tcbInfo'>, 'part'>,
  { now, memory }: ChainOptions,
): TcbInfo {
  const known = memory.collateral.get(collateral)?.tcbInfo
  const value =
    known?.by === signer.digest
      ? known.value
      : parseTcbInfo(signedText(collateral.tcbInfo, signer, 'tcb-info-signature'))
  requireCurrent(value, now, ['tcb-info-not-yet', 'tcb-info-expired'])
  memory.collateral.set(collateral, { ...memory.collateral.get(collateral), tcbInfo: { by: signer.digest, value } })
  return value
}

/** Throws a TeeError: qe-identity-… */
export function qeIdentityIn(
  { collateral, signer }: Omit<PartOf<'qeIdentity'>, 'part'>,
  { now, memory }: ChainOptions,
): QeIdentity {
  const known = memory.collateral.get(collateral)?.qeIdentity
  const value =
    known?.by === signer.digest
      ? known.value
      : parseQeIdentity(signedText(collateral.qeIdentity, signer, 'qe-identity-signature'))
  requireCurrent(value, now, ['qe-identity-not-yet', 'qe-identity-expired'])
  memory.collateral.set(collateral, { ...memory.collateral.get(collateral), qeIdentity: { by: signer.digest, value } })
  return value
}

/**
 * Of many documents what is newest at a time, part by part, whatever else is in the document that a part came in: anybody can put genuine
 * parts into documents that do not hold. A part that is signed by whom the newest list of the root revokes is none.
 */
export function newestOf(documents: readonly Collateral[], options: ChainOptions): NewestParts {
  const rootCrls = newestTexts(documents, (one) => {
    const [, signer] = chainOf(one.pckCrlChain, ['pck-ca', 'root'], options)
    return partOfList(crlIn({ collateral: one, part: 'rootCrl', signer }, options), '')
  })
  const revoked = new Set(
    rootCrls.flatMap((one) => {
      const [, signer] = chainOf(one.pckCrlChain, ['pck-ca', 'root'], options)
      return [...crlIn({ collateral: one, part: 'rootCrl', signer }, options).revoked]
    }),
  )
  const standing = (signer: VerifiedCertificate): VerifiedCertificate => {
    requireTee(!revoked.has(signer.serial), 'signer-revoked', `${signer.commonName} is revoked`)
    return signer
  }
  return {
    documents,
    rootCrl: rootCrls,
    // Each authority has its own list.
    pckCrl: newestTexts(documents, (one) => {
      const [signer] = chainOf(one.pckCrlChain, ['pck-ca', 'root'], options)
      return partOfList(crlIn({ collateral: one, part: 'pckCrl', signer: standing(signer) }, options), signer.digest)
    }),
    tcbInfo: newestTexts(documents, (one) => {
      const [signer] = chainOf(one.tcbInfo.chain, ['tcb-signer', 'root'], options)
      const age = ageOf(tcbInfoIn({ collateral: one, signer: standing(signer) }, options))
      return { by: '', age, text: one.tcbInfo.text }
    }),
    qeIdentity: newestTexts(documents, (one) => {
      const [signer] = chainOf(one.qeIdentity.chain, ['tcb-signer', 'root'], options)
      const age = ageOf(qeIdentityIn({ collateral: one, signer: standing(signer) }, options))
      return { by: '', age, text: one.qeIdentity.text }
    }),
  }
}

/** For each part the documents in which it is newest, one for each text that it then has. */
export type NewestParts = { readonly [P in CollateralPart]: readonly Collateral[] } & {
  /** Among which they were found. */
  readonly documents: readonly Collateral[]
}

export function documentsIn(newest: NewestParts): readonly Collateral[] {
  return partNames.flatMap((part) => newest[part])
}

/** The newest parts put together; of one that holds nowhere, that of `otherwise`. */
export function assembled(newest: NewestParts, otherwise: Collateral): readonly Collateral[] {
  const isWhole = partNames.every((part) => newest[part].length > 0)
  const known = isWhole ? wholes.get(newest) : undefined
  if (known !== undefined) return known
  const of = (part: CollateralPart) => (newest[part].length > 0 ? newest[part] : [otherwise])
  const [first, ...more] = new Set(partNames.flatMap(of))
  if (first !== undefined && more.length === 0) return [first]
  const made = of('rootCrl').flatMap(({ rootCrl }) =>
    of('pckCrl').flatMap(({ pckCrl, pckCrlChain }) =>
      of('tcbInfo').flatMap(({ tcbInfo }) =>
        of('qeIdentity').map(({ qeIdentity }) =>
          collateralOf({ rootCrl, pckCrl, pckCrlChain, tcbInfo, qeIdentity }, newest.documents),
        ),
      ),
    ),
  )
  const result = made.slice(0, MOST_ASSEMBLED)
  if (isWhole) wholes.set(newest, result)
  return result
}

const wholes = new WeakMap<NewestParts, readonly Collateral[]>()
/** Only who signs the parts can make more than one. */
const MOST_ASSEMBLED = 64

/** The document that is the same, if there is one, as much may be known of it. */
function collateralOf(parts: Omit<Collateral, 'digest'>, documents: readonly Collateral[]): Collateral {
  const digest = sha256(utf8(encodeCollateral(parts)))
  return documents.find((one) => one.digest === digest) ?? { digest, ...parts }
}

/** Evaluation number and time. */
type Age = readonly [number, number]
/** `by`: only what is of the same stands in for another. */
type HoldingPart = { readonly by: string; readonly age: Age; readonly text: string }

/** `partOf` throws a TeeError for a document in which the part does not hold. */
function newestTexts(
  documents: readonly Collateral[],
  partOf: (document: Collateral) => HoldingPart,
): readonly Collateral[] {
  const newest = new Map<string, { readonly age: Age; readonly texts: Map<string, Collateral> }>()
  for (const document of documents) {
    const part = holding(() => partOf(document))
    if (part === undefined) continue
    const { by, age, text } = part
    const best = newest.get(by)
    const order = best === undefined ? 1 : compareAges(age, best.age)
    if (order > 0) newest.set(by, { age, texts: new Map([[text, document]]) })
    else if (order === 0 && best?.texts.has(text) === false) best.texts.set(text, document)
  }
  return [...newest.values()].flatMap(({ texts }) => [...texts.values()])
}

function holding(partOf: () => HoldingPart): HoldingPart | undefined {
  try {
    return partOf()
  } catch (error) {
    if (error instanceof TeeError) return undefined
    throw error
  }
}

function compareAges([number, time]: Age, [otherNumber, otherTime]: Age): number {
  return number - otherNumber || time - otherTime
}

/** What is signed, as its signature can be written in more than one way. */
function partOfList({ signed, thisUpdate }: VerifiedCrl, by: string): HoldingPart {
  return { by, age: [0, thisUpdate], text: sha256(signed) }
}

const partNames = ['rootCrl', 'pckCrl', 'tcbInfo', 'qeIdentity'] as const satisfies readonly CollateralPart[]

function ageOf({ evaluationNumber, issued }: Issued): Age {
  return [evaluationNumber, issued]
}

function signedText({ text, signature }: SignedText, signer: VerifiedCertificate, reason: TeeReason): string {
  requireTee(isSignedBy(signer.key, utf8(text), signature, 'raw'), reason, `not signed by ${signer.commonName}`)
  return text
}

function requireCurrent(
  { issued, nextUpdate }: Issued,
  now: number,
  [notYet, expired]: readonly [TeeReason, TeeReason],
): void {
  requireTee(now >= issued, notYet, 'issued in the future')
  requireTee(now <= nextUpdate, expired, 'past its next update')
}
