/* Clones over ssh, from a real sshd: keys of the job, keys of the host, branches, sizes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { keyPair, noSshd, Sshd } from './job-forges.ts';
import { isRoot, JobHouse, repository, uidOfRunner, uidWithName, type Job } from './job-rig.ts';

describe('a clone over ssh', { skip: noSshd }, () => {
    let house: JobHouse;
    let sshd: Sshd;
    let key: string;
    let repo: { dir: string; head: string };

    before(async () => {
        house = new JobHouse(uidWithName);
        const pair = keyPair(join(house.dir, 'key'));
        key = pair.key;
        house.secrets.push(...key.split('\n').filter((line) => line.length > 40));
        repo = repository(join(house.dir, 'repo'), { 'hello.txt': 'from the repository\n' });
        sshd = await Sshd.open(join(house.dir, 'sshd'), pair.pub);
        house.script('atmos', [
            'cat hello.txt; ls -A | tr "\\n" " "; ls -A ..; env; cat .git/config',
        ]);
    });
    after(async () => {
        await sshd?.close();
        await house?.close();
    });

    const clone = (
        repoOrder: Record<string, unknown> = {},
        order: Record<string, unknown> = {},
    ): Promise<Job> =>
        house.run({
            repo: {
                url: sshd.url(repo.dir),
                sshKey: key,
                knownHosts: sshd.knownHosts,
                ...repoOrder,
            },
            atmos: join(house.dir, 'atmos'),
            ...order,
        });
    const failed = async (says: RegExp, repoOrder: Record<string, unknown>): Promise<Job> => {
        const job = await clone(repoOrder);
        assert.equal(job.result.reason, 'clone_failed', JSON.stringify(job.result));
        assert.match(job.result.error, says);
        assert.deepEqual(
            job.events.map((one) => one.event),
            ['cloning', 'ended'],
        );
        return job;
    };

    it('right key: the commit arrives; the key is not there any more when the workflow runs', async () => {
        const job = await clone();
        assert.equal(job.result.outcome, 'succeeded', JSON.stringify(job.result));
        assert.equal(job.result.commit, repo.head);
        assert.match(job.log(), /^from the repository\n/);
        assert.doesNotMatch(job.log(), /private|known_hosts|GIT_SSH|SIGNALBOX|ssh_config/);
    });

    for (const [what, change] of [
        [
            'with line ends spelt out, as from an environment file',
            (text: string) => text.trimEnd().replaceAll('\n', '\\n'),
        ],
        ['with line ends of Windows', (text: string) => text.replaceAll('\n', '\r\n')],
        ['without the last line end', (text: string) => text.trimEnd()],
    ] as [string, (text: string) => string][])
        it(`a key ${what} is as good`, async () => {
            assert.equal((await clone({ sshKey: change(key) })).result.outcome, 'succeeded');
        });

    it('hashed host keys among others are found', async () => {
        const file = join(house.dir, 'hashed');
        writeFileSync(file, `github.com ${sshd.hostPub}\n${sshd.knownHosts}\n`);
        execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
        const hashed = execFileSync('cat', [file], { encoding: 'utf8' });
        assert.doesNotMatch(hashed, /127\.0\.0\.1/);
        assert.equal((await clone({ knownHosts: hashed })).result.outcome, 'succeeded');
    });

    it('a key that the host does not know is refused, and which one to add is said', async () => {
        const other = keyPair(join(house.dir, 'other'));
        await failed(/127\.0\.0\.1 refused GIT_SSH_KEY: add its public half as a deploy key/, {
            sshKey: other.key,
        });
    });

    it('something that is no key is called so', async () => {
        await failed(/ssh cannot read GIT_SSH_KEY/, {
            sshKey: '-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n',
        });
    });

    it('an unknown host key is refused with its fingerprint; the line to add makes it work', async () => {
        const job = await failed(/not in ATMOS_REPO_KNOWN_HOSTS/, {
            knownHosts: `example.com ${sshd.hostPub}`,
        });
        assert.ok(job.result.error.includes(sshd.fingerprint), job.result.error);
        const command = /`(ssh-keyscan [^`]*)`/.exec(job.result.error)![1]!.split(' ');
        const line = execFileSync(command[0]!, command.slice(1), {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'ignore'],
        });
        assert.equal((await clone({ knownHosts: line })).result.outcome, 'succeeded');
    });

    it('no host keys at all are no reason to trust', async () => {
        await failed(/not in ATMOS_REPO_KNOWN_HOSTS/, { knownHosts: '' });
    });

    it('a changed host key is refused, and told apart from an unknown one', async () => {
        const other = keyPair(join(house.dir, 'impostor'));
        const job = await failed(
            /the host key of 127\.0\.0\.1 is another than the one in ATMOS_REPO_KNOWN_HOSTS/,
            {
                knownHosts: `[127.0.0.1]:${sshd.port} ${other.pub.split(' ').slice(0, 2).join(' ')}`,
            },
        );
        assert.ok(job.result.error.includes(sshd.fingerprint), job.result.error);
    });

    it('a wrong branch: those that there are are named', async () => {
        await failed(/has no branch nope\. It has: main/, { branch: 'nope' });
    });

    it('a repository that is not there', async () => {
        await failed(/there is no git repository at ssh:/, {
            url: sshd.url(join(house.dir, 'no-such-repo')),
        });
    });

    it('an empty repository', async () => {
        repository(join(house.dir, 'empty'));
        await failed(/has no branch main: it is empty/, {
            url: sshd.url(join(house.dir, 'empty')),
        });
    });

    it('nobody there: three attempts, and then it says so', async () => {
        await failed(/refuses connections, in 3 attempts/, {
            url: `ssh://git@127.0.0.1:1${repo.dir}`,
        });
    });

    it('a commit by its name, and a tag', async () => {
        execFileSync('git', ['-C', repo.dir, 'tag', 'v1']);
        for (const ref of [repo.head, 'v1'])
            assert.equal((await clone({ ref })).result.commit, repo.head);
    });

    it('10,000 files', async () => {
        const files = Object.fromEntries(
            Array.from({ length: 10_000 }, (_, i) => [`f/${i % 100}/${i}.txt`, `file ${i}\n`]),
        );
        const many = repository(join(house.dir, 'many'), files);
        house.script('count', ['find f -type f | wc -l']);
        const job = await clone({ url: sshd.url(many.dir) }, { atmos: join(house.dir, 'count') });
        assert.equal(job.log(), '10000\n', JSON.stringify(job.result));
        rmSync(many.dir, { recursive: true });
    });

    it(
        'a user without a name is told what ssh wants',
        { skip: !isRoot || uidOfRunner === uidWithName ? 'UID 1001 has a name here' : false },
        async () => {
            const nameless = new JobHouse(uidOfRunner);
            try {
                nameless.script('atmos', ['true']);
                const order = { url: sshd.url(repo.dir), sshKey: key, knownHosts: sshd.knownHosts };
                const job = await nameless.run({ repo: order, atmos: join(nameless.dir, 'atmos') });
                assert.match(job.result.error, /give the runner's UID a line in \/etc\/passwd/);
            } finally {
                await nameless.close();
            }
        },
    );

    it('after all of it nothing is left in the folder of the runs', () => {
        assert.deepEqual(readdirSync(join(house.dir, 'work')), []);
        assert.deepEqual(house.processes(), []);
    });
});
