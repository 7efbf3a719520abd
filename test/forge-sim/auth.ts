import { createPublicKey, randomBytes, verify, type KeyObject } from 'node:crypto';
import type { App, Installation, User } from './model.ts';
import { HttpError, isObject, type Json } from './util.ts';

export interface Token {
    text: string;
    installation: Installation;
    repositoryIds: Set<number> | null;
    permissions: Record<string, string>;
    expiresAt: number;
    actor: User;
    viaApp: boolean;
}

export type TokenFormat = 'classic' | 'stateless' | 'mixed';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function randomText(length: number): string {
    return [...randomBytes(length)].map((byte) => alphabet[byte % alphabet.length]).join('');
}

/** `ghs_` and 36 characters, or the longer stateless form whose length varies around 520. */
export function tokenText(format: 'classic' | 'stateless'): string {
    if (format === 'classic') return 'ghs_' + randomText(36);
    const body = 460 + Math.floor(Math.random() * 30);
    return 'ghs_' + [randomText(20), randomText(body), randomText(20)].join('.');
}

export class Auth {
    tokens: Map<string, Token> = new Map();
    lifetimeMs = 3600_000;
    private publicKey: KeyObject | undefined;
    private publicKeyPem = '';

    bearer(header: string | undefined): string | undefined {
        const match = /^(?:bearer|token)\s+(\S+)$/i.exec(header ?? '');
        return match?.[1];
    }

    /** The App's own JWT: RS256 by our key, issued by us, short-lived. 401 otherwise. */
    appCheck(header: string | undefined, app: App, nowMs: number): void {
        const token = this.bearer(header);
        if (!token) throw new HttpError(401, 'A JSON web token could not be decoded');
        const [head = '', body = '', signature = ''] = token.split('.');
        const headJson = decode(head);
        const claims = decode(body);
        if (!headJson || !claims || headJson['alg'] !== 'RS256') {
            throw new HttpError(401, 'A JSON web token could not be decoded');
        }
        if (
            !verify(
                'RSA-SHA256',
                Buffer.from(`${head}.${body}`),
                this.keyOf(app),
                Buffer.from(signature, 'base64url'),
            )
        ) {
            throw new HttpError(401, 'A JSON web token could not be decoded');
        }
        claimsCheck(claims, app, nowMs);
    }

    tokenOf(header: string | undefined, nowMs: number): Token {
        const token = this.tokens.get(this.bearer(header) ?? '');
        if (!header) throw new HttpError(401, 'Requires authentication');
        if (!token || token.expiresAt <= nowMs || token.installation.deleted) {
            throw new HttpError(401, 'Bad credentials');
        }
        if (token.installation.suspendedAt !== null) {
            throw new HttpError(403, 'This installation has been suspended');
        }
        return token;
    }

    issue(
        token: Omit<Token, 'text' | 'expiresAt'>,
        format: 'classic' | 'stateless',
        nowMs: number,
    ): Token {
        const made = { ...token, text: tokenText(format), expiresAt: nowMs + this.lifetimeMs };
        this.tokens.set(made.text, made);
        return made;
    }

    revokeAll(): void {
        this.tokens.clear();
    }

    private keyOf(app: App): KeyObject {
        if (!this.publicKey || this.publicKeyPem !== app.publicKeyPem) {
            this.publicKey = createPublicKey(app.publicKeyPem);
            this.publicKeyPem = app.publicKeyPem;
        }
        return this.publicKey;
    }
}

function decode(part: string): Json | undefined {
    try {
        const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
        return isObject(value) ? value : undefined;
    } catch {
        return undefined;
    }
}

function claimsCheck(claims: Json, app: App, nowMs: number): void {
    const now = Math.floor(nowMs / 1000);
    const { iat, exp, iss } = claims;
    if (typeof exp !== 'number') {
        throw new HttpError(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        );
    }
    if (exp > now + 600) {
        throw new HttpError(401, "'Expiration time' claim ('exp') is too far in the future");
    }
    if (exp <= now) {
        throw new HttpError(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        );
    }
    if (typeof iat !== 'number' || iat > now + 5) {
        throw new HttpError(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        );
    }
    if (String(iss) !== String(app.id) && iss !== app.clientId) {
        throw new HttpError(401, "'Issuer' claim ('iss') must be an Integer");
    }
}
