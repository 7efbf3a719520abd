import { describe, expect, it } from 'vitest';
import { keyOf, partsOf, wrongInKey, wrongInMessage } from './lock-key.ts';

describe('a lock key', () => {
    it('is made of an instance and read back', () => {
        const key = keyOf('Acme/Infra', 'dev', 'net/vpc');
        expect(key).toBe('acme/infra/dev/net/vpc');
        expect(partsOf(key)).toEqual({
            repository: 'acme/infra',
            stack: 'dev',
            component: 'net/vpc',
        });
    });

    it.each(['', 'freeze', 'acme/infra', 'acme/infra/dev', 'acme//dev/vpc', 'acme/infra/dev/'])(
        '%j means no instance',
        (key) => {
            expect(partsOf(key)).toBeNull();
        },
    );

    it.each([
        ['  ', 'Give a key, e.g. acme/infra/prod/vpc.'],
        ['a\tb', 'No control characters, please.'],
        ['a\u009bb', 'No control characters, please.'],
        ['é'.repeat(513), '1,026 bytes; at most 1,024.'],
        ['<script>alert(1)</script>', null],
        ['é'.repeat(512), null],
    ])('%j: %s', (key, wrong) => {
        expect(wrongInKey(key)).toBe(wrong);
    });

    it('a message may be long, not endless', () => {
        expect(wrongInMessage('x'.repeat(4_096))).toBeNull();
        expect(wrongInMessage('x'.repeat(4_097))).toBe('4,097 bytes; at most 4,096.');
    });
});
