/* The pages as a browser gets them over HTTP: whole, packed, as a head alone; and what is no page. */
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { databases } from '../run/server.ts';
import { House, send } from './house.ts';

const browser = { accept: 'text/html,*/*;q=0.8', 'accept-encoding': 'gzip, br' };

describe('the pages', () => {
    let house: House;
    before(async () => {
        house = await House.open(databases[0]!);
    });
    after(() => house?.close());

    it('come whole, and as a head alone that names the same length', async () => {
        const page = await send(house.server.url, 'GET', '/batches/batch_1?node=3', { headers: browser });
        assert.equal(page.status, 200);
        assert.match(page.text, /^<!doctype html>[\s\S]*<\/html>\s*$/i);
        assert.equal(page.headers['x-content-type-options'], 'nosniff');
        assert.equal(page.headers['cache-control'], 'no-cache');
        assert.match(String(page.headers['content-security-policy']), /style-src 'self' 'nonce-[A-Za-z0-9+/]{22}=='/);
        const head = await send(house.server.url, 'HEAD', '/batches/batch_1?node=3', { headers: browser });
        assert.equal(head.status, 200);
        assert.equal(head.text, '');
        assert.equal(head.headers['content-length'], page.headers['content-length']);
    });

    it('bring their parts packed to whom they may, and plain to others', async () => {
        const plain = await send(house.server.url, 'GET', '/favicon.svg');
        assert.equal(plain.headers['content-encoding'], undefined);
        assert.match(plain.text, /^<svg/);
        const packed = await fetchBytes(`${house.server.url}/favicon.svg`);
        assert.equal(gunzipSync(packed).toString(), plain.text);
    });

    it('do not answer for the API, and lead nowhere else', async () => {
        for (const path of ['/api/v1/nothing', '/assets/nothing.js', '/assets/../../../etc/passwd']) {
            const reply = await house.call('GET', path, { headers: browser });
            assert.equal(reply.status, 404, path);
            assert.equal(reply.body['errorTag'], 'NotFound', path);
        }
        const lost = await send(house.server.url, 'GET', '/../../etc/passwd', { headers: browser });
        assert.equal(lost.status, 404);
        assert.match(lost.text, /^<!doctype html>/i);
    });
});

/** As they come: fetch would unpack them. */
function fetchBytes(url: string): Promise<Buffer> {
    return new Promise((done, failed) => {
        get(url, { headers: browser }, (answer) => {
            const parts: Buffer[] = [];
            assert.equal(answer.headers['content-encoding'], 'gzip');
            answer.on('data', (part: Buffer) => parts.push(part));
            answer.on('end', () => done(Buffer.concat(parts)));
        }).on('error', failed);
    });
}
