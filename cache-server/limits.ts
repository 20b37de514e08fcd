/**
 * What one client, one request and one upload may cost. All are in the configuration under `limits`.
 */
export type Limits = {
  /** Of one client address, over all routes. */
  readonly requestsPerMinute: number
  readonly connections: number
  readonly connectionsPerAddress: number
  readonly headerBytes: number
  /** Until the headers are complete. */
  readonly headerSeconds: number
  /** Until a request with its body is complete. */
  readonly requestSeconds: number
  /** Without a byte in either direction. */
  readonly idleSeconds: number
  /** Until an answer has been read; slower readers are cut off, and go on with a range. */
  readonly responseSeconds: number
  /** How long a stop waits for what is under way. */
  readonly stopSeconds: number
  /** Of the body of a request other than a piece of an upload. */
  readonly bodyBytes: number
  /** Of one piece of an upload. */
  readonly pieceBytes: number
  /** Of a compressed archive. */
  readonly archiveBytes: number
  readonly sourceBytes: number
  /** Of a compressed log. */
  readonly logBytes: number
  /** Unfinished ones, of one operator. */
  readonly uploadsPerOperator: number
  /** Declared bytes of these together. */
  readonly uploadBytesPerOperator: number
  /** Recipes in one question about a closure. */
  readonly closureRecipes: number
  /** Of one operator, for one recipe. */
  readonly attestationsPerRecipe: number
  /** Of the revocation lists of one operator: they are part of every answer. */
  readonly revocationBytesPerOperator: number
  /** Of builders, of one operator. With a quote for each build there is one for each build. */
  readonly sessionsPerOperator: number
  /** Of these, with the collateral that came with them. */
  readonly sessionBytesPerOperator: number
  /** Of one piece of collateral. */
  readonly collateralBytes: number
  /** Between the client's clock and this one, in a signed write. */
  readonly clockSeconds: number
  /** Recipes in the wanted list. */
  readonly wantedRecipes: number
}

const MIB = 1024 * 1024

export const defaultLimits: Limits = {
  requestsPerMinute: 30_000,
  connections: 4096,
  connectionsPerAddress: 256,
  headerBytes: 16 * 1024,
  headerSeconds: 10,
  requestSeconds: 300,
  idleSeconds: 60,
  responseSeconds: 3600,
  stopSeconds: 20,
  bodyBytes: 8 * MIB,
  pieceBytes: 64 * MIB,
  archiveBytes: 8192 * MIB,
  sourceBytes: 4096 * MIB,
  logBytes: 256 * MIB,
  uploadsPerOperator: 64,
  uploadBytesPerOperator: 65_536 * MIB,
  closureRecipes: 20_000,
  attestationsPerRecipe: 32,
  revocationBytesPerOperator: 256 * 1024,
  sessionsPerOperator: 10_000,
  sessionBytesPerOperator: 128 * MIB,
  collateralBytes: 256 * 1024,
  clockSeconds: 300,
  wantedRecipes: 10_000,
}
