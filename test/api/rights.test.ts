/* Every operation of the description, as everybody who may come: `x-needs` says what is allowed, and the server must say the same. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { House, type Repo } from './house.ts';
import { operations, type Known } from './spec.ts';

type Caller = 'stranger' | 'session' | 'member' | 'admin';
const callers: Caller[] = ['stranger', 'session', 'member', 'admin'];
/** Who passes the gate, by what the operation needs. */
const allowed: Record<Known['needs'], Caller[]> = {
    nothing: ['stranger', 'session', 'member', 'admin'],
    session: ['session', 'member', 'admin'],
    read: ['session', 'member', 'admin'],
    operate: ['member', 'admin'],
    admin: ['admin'],
};

/** A path with things that are not there, so that nothing changes, whoever asks. */
function somewhere(path: string): string {
    return path
        .replaceAll('{owner}', 'acme')
        .replaceAll('{repo}', 'rights')
        .replaceAll(/\{\w+\}/g, '999999')
        // a stream has no end to wait for
        .replace(/\/live$/, '/live?batch=nowhere');
}

for (const kind of databases)
    describe(`who may do what, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        const tokens: Partial<Record<Caller, string>> = {};
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('rights');
            tokens.session = await house.session(repo);
            tokens.member = (await house.token()).token;
            tokens.admin = house.admin;
        });
        after(() => house?.close());

        for (const one of operations)
            it(`${one.method} ${one.path} needs ${one.needs}`, async () => {
                for (const caller of callers) {
                    // A body that no handler can use: who passes the gate is told 400 or 404, who does not is told 401 or 403.
                    const body = one.hasBody ? { body: { nonsense: caller } } : {};
                    const token = tokens[caller] === undefined ? {} : { token: tokens[caller] };
                    const reply = await house.call(one.method, somewhere(one.path), {
                        ...token,
                        ...body,
                    });
                    const isBarred =
                        reply.body['errorTag'] === 'InvalidToken' ||
                        reply.body['errorTag'] === 'PermissionDenied';
                    assert.equal(
                        isBarred,
                        !allowed[one.needs].includes(caller),
                        `${caller}: ${reply.status} ${reply.text}`,
                    );
                    if (isBarred) assert.equal(reply.status, caller === 'stranger' ? 401 : 403);
                    assert.notEqual(reply.status, 500, reply.text);
                }
            });

        it('names a need for every operation', () => {
            for (const one of operations)
                assert.ok(one.needs in allowed, `${one.method} ${one.path}: ${one.needs}`);
        });

        it('looks at who asks before it looks at the body', async () => {
            for (const raw of ['{', '', '[]', '{"key":1}', 'ÿ']) {
                const reply = await house.call('POST', '/api/v1/locks', { raw });
                assert.equal(reply.status, 401, raw);
            }
        });
    });
