/* Clones over https with a token, from git's own http-backend behind a private authority: where the token is, and where it never is. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { certificatesMake } from '../forge-sim/certificates.ts';
import { GitHttps } from './job-forges.ts';
import { JobHouse, noNamespaces, repository, until, type Job } from './job-rig.ts';

const token = 'ghp_0123456789abcdefghijABCDEFGHIJ';

describe('a clone over https', () => {
    let house: JobHouse;
    let forge: GitHttps;
    let elsewhere: GitHttps;
    let repo: { dir: string; head: string };
    let ca: string;

    before(async () => {
        house = new JobHouse();
        house.secrets.push(token, Buffer.from(`x-access-token:${token}`).toString('base64'));
        repo = repository(join(house.dir, 'forge/repo'), { 'hello.txt': 'from the repository\n' });
        const tls = certificatesMake(join(house.dir, 'tls'));
        ca = tls.ca;
        forge = await GitHttps.open(join(house.dir, 'forge'), token, tls);
        elsewhere = await GitHttps.open(join(house.dir, 'forge'), token, tls);
        house.script('atmos', [
            'cat hello.txt; env; cat .git/config; ls -A .. ; cat /proc/self/environ; ls /proc/self/fd',
        ]);
    });
    afterEach(() => {
        forge.first = () => false;
        forge.heard.length = elsewhere.heard.length = forge.asked = elsewhere.asked = 0;
    });
    after(async () => {
        await forge?.close();
        await elsewhere?.close();
        await house?.close();
    });

    const order = (
        repoOrder: Record<string, unknown> = {},
        more: Record<string, unknown> = {},
    ) => ({
        repo: { url: forge.url('repo/.git'), httpsToken: token, ...repoOrder },
        atmos: join(house.dir, 'atmos'),
        env: { GIT_SSL_CAINFO: ca },
        ...more,
    });
    const failed = async (
        says: RegExp,
        repoOrder: Record<string, unknown> = {},
        more: Record<string, unknown> = {},
    ): Promise<Job> => {
        const job = await house.run(order(repoOrder, more));
        assert.equal(job.result.reason, 'clone_failed', JSON.stringify(job.result));
        assert.match(job.result.error, says);
        return job;
    };

    it('right token: the commit arrives, and the workflow finds no token in its environment, descriptors or .git/config', async () => {
        const job = await house.run(order());
        assert.equal(job.result.outcome, 'succeeded', JSON.stringify(job.result));
        assert.equal(job.result.commit, repo.head);
        assert.match(job.log(), /^from the repository\n/);
        assert.match(job.log(), /url = https:\/\/127\.0\.0\.1:\d+\/repo\/\.git/);
        assert.doesNotMatch(job.log(), /\*\*\*|ASKPASS|private/);
        assert.ok(
            forge.heard.every(
                (one) =>
                    one === `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`,
            ),
        );
    });

    it('while git waits for the server, the token is in no argument, environment or file', async () => {
        let arrived = false;
        let go = () => undefined as void;
        const held = new Promise<void>((done) => (go = done));
        forge.first = async (ask) => {
            if (ask.method === 'POST' && !arrived) {
                arrived = true;
                await held;
            }
            return false;
        };
        const job = await house.start(order());
        await until('git to ask for the pack', () => arrived);
        const running = house.processes();
        assert.ok(
            running.some((line) => line.includes('remote-https')),
            running.join('\n'),
        );
        for (const pid of readdirSync('/proc').filter(
            (name) => /^\d+$/.test(name) && Number(name) !== process.pid,
        ))
            for (const file of ['cmdline', 'environ']) {
                let text = '';
                try {
                    text = readFileSync(`/proc/${pid}/${file}`, 'latin1');
                } catch {
                    continue; // gone, or somebody else's
                }
                assert.ok(!text.includes(token), `the token in /proc/${pid}/${file}`);
            }
        const inFiles = (dir: string): string[] =>
            readdirSync(dir, { withFileTypes: true, recursive: true })
                .filter((one) => one.isFile())
                .map((one) => join(one.parentPath, one.name));
        for (const file of inFiles(job.workDir))
            assert.ok(!readFileSync(file, 'latin1').includes(token), file);
        go();
        assert.equal((await job.end()).outcome, 'succeeded');
    });

    it('a wrong token', async () => {
        await failed(/127\.0\.0\.1 refused the token: GIT_HTTPS_TOKEN must be one that may read/, {
            httpsToken: 'ghp_wrongwrongwrong',
        });
    });

    it('no token where one is needed', async () => {
        await failed(/asks for a token: set GIT_HTTPS_TOKEN/, { httpsToken: '' });
    });

    it('an authority that nobody knows', async () => {
        await failed(
            /certificate of 127\.0\.0\.1 is not trusted/,
            {},
            { env: { GIT_SSL_CAINFO: '/etc/ssl/certs/ca-certificates.crt' } },
        );
        assert.deepEqual(forge.heard, []);
    });

    it('SSL_CERT_FILE is taken for git, too', async () => {
        assert.equal(
            (await house.run(order({}, { env: { SSL_CERT_FILE: ca } }))).result.outcome,
            'succeeded',
        );
    });

    it('another host that the forge leads to does not get the token', async () => {
        forge.first = (ask, answer) => {
            answer
                .writeHead(302, {
                    location: `${elsewhere.url('repo/.git')}${ask.url!.slice('/repo/.git'.length)}`,
                })
                .end();
            return true;
        };
        await failed(/token|Username|Password/);
        assert.ok(elsewhere.asked > 0, 'it did lead there');
        assert.deepEqual(elsewhere.heard, []);
    });

    it('an error that passes: the next attempt gets it', async () => {
        forge.first = (ask, answer) => {
            if (forge.asked > 1) return false;
            ask.resume();
            answer.writeHead(503).end();
            return true;
        };
        assert.equal((await house.run(order())).result.outcome, 'succeeded');
    });

    it('an error that stays: three attempts', async () => {
        forge.first = (ask, answer) => {
            ask.resume();
            answer.writeHead(500).end();
            return true;
        };
        await failed(/127\.0\.0\.1 has an error of its own, in 3 attempts/);
        assert.equal(forge.asked, 3);
    });

    it('a server that breaks off in the middle', async () => {
        forge.first = (ask, answer) => {
            if (ask.method !== 'POST') return false;
            ask.resume();
            answer.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' });
            answer.write('0010par', () => answer.destroy());
            return true;
        };
        await failed(/127\.0\.0\.1.*, in 3 attempts/);
    });

    it('a wrong branch and a repository that is not there', async () => {
        await failed(/has no branch nope\. It has: main/, { branch: 'nope' });
        await failed(/there is no repository at/, { url: forge.url('nothing/.git') });
    });

    it('a server that never answers: the time limit of the clone', async () => {
        forge.first = (ask) => (ask.resume(), true);
        await failed(
            /cloning took longer than 1 s \(CLONE_TIMEOUT\)/,
            {},
            { cloneTimeoutMs: 1000 },
        );
    });

    it(
        'killed (-9) in the middle of the clone, the job leaves no process; the folder is for the sweep',
        { skip: noNamespaces },
        async () => {
            let arrived = false;
            forge.first = (ask) => (ask.method === 'POST' ? (arrived = true) : false);
            const job = await house.start(order());
            await until('git to ask for the pack', () => arrived);
            job.child.kill('SIGKILL');
            await job.exit();
            await until('its processes to be gone', () => house.processes().length === 0);
            house.sweep(job);
        },
    );

    it('the service dies in the middle of the clone: the job ends and cleans up', async () => {
        let arrived = false;
        forge.first = (ask) => (ask.method === 'POST' ? (arrived = true) : false);
        const job = await house.start(order());
        await until('git to ask for the pack', () => arrived);
        job.release();
        assert.equal(await job.exit(), 0);
        assert.deepEqual(readdirSync(join(house.dir, 'work')), []);
    });
});
