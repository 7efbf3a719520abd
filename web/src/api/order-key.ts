/** For Idempotency-Key. crypto.randomUUID is only there on https and localhost; a server in a private network may have neither. */
export function newOrderKey(): string {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
