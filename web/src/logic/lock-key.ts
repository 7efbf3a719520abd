/*
 * Keys of locks: owner/repository/stack/component, as the CLI builds them. The server judges again; this is for telling while one types.
 */

export const LOCK_KEY_BYTES_MAX = 1_024;
export const LOCK_MESSAGE_BYTES_MAX = 4_096;
export const LOCK_TTL_MAX_S = 30 * 24 * 3_600;

export interface LockParts {
    repository: string;
    stack: string;
    component: string;
}

export function keyOf(repository: string, stack: string, component: string): string {
    return `${repository.toLowerCase()}/${stack.trim()}/${component.trim()}`;
}

/** The instance that a key means, or null: any text may be a key. A component may have slashes, a stack has none. */
export function partsOf(key: string): LockParts | null {
    const [owner, name, stack, ...rest] = key.split('/');
    const component = rest.join('/');
    if (!owner || !name || !stack || component === '') return null;
    return { repository: `${owner}/${name}`, stack, component };
}

/** Control characters, emptiness, length: what the server would refuse. */
export function wrongInKey(key: string): string | null {
    if (key.trim() === '') return 'Give a key, e.g. acme/infra/prod/vpc.';
    if (/\p{Cc}/u.test(key)) return 'No control characters, please.';
    return tooLong(key, LOCK_KEY_BYTES_MAX);
}

export function wrongInMessage(message: string): string | null {
    return tooLong(message, LOCK_MESSAGE_BYTES_MAX);
}

function tooLong(text: string, bytes_max: number): string | null {
    const bytes = new TextEncoder().encode(text).length;
    if (bytes <= bytes_max) return null;
    return `${bytes.toLocaleString('en')} bytes; at most ${bytes_max.toLocaleString('en')}.`;
}
