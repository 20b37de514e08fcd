/**
 * JSON schemas (draft 7) that several routes share.
 */
export const hashSchema = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const
export const uploadIdSchema = { type: 'string', pattern: '^[0-9a-f-]{36}$' } as const
export const countSchema = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const

export const errorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: { code: { type: 'string' }, message: { type: 'string' }, hint: { type: 'string' } },
    },
  },
} as const

export function closedObject<P extends Record<string, object>>(properties: P, optional: readonly (keyof P)[] = []) {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', additionalProperties: false, required, properties } as const
}
