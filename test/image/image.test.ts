/*
 * What is deployed of the runner: the image (built here, and its file system run as it declares), the compose file and the unit.
 * Mounting and changing root need root; who runs the tests as somebody else is told so.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { freePort, keyPair, Sshd } from '../e2e/job-forges.ts';
import { Platform, until } from '../e2e/runner-house.ts';
import { compiled, debian, Images, run, type Declared } from './buildah.ts';
import { Inside } from './inside.ts';

const root = join(import.meta.dirname, '../..');
const program = process.env['SIGNALBOX_BIN_RELEASE'] ?? join(root, 'build/signalbox');
const skip = process.getuid?.() === 0 ? false : 'an image is put together by root';

/** Each file below, with its path inside the folder. */
function* filesOf(folder: string, inside = ''): Generator<string> {
    for (const entry of readdirSync(join(folder, inside), { withFileTypes: true })) {
        const path = `${inside}/${entry.name}`;
        if (entry.isDirectory()) yield* filesOf(folder, path);
        else yield path;
    }
}

const bytesOf = (folder: string): number => [...filesOf(folder)].reduce((sum, file) => sum + lstatSync(folder + file).size, 0);

/** Stands for atmos: says as whom and on what it runs. */
const atmos = `
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int fd = open("/written", O_CREAT | O_WRONLY, 0600);
    const char *written = fd < 0 ? strerror(errno) : "written";
    printf("user %d, group %d, %s; %s; shell: %s\\n", (int)getuid(), (int)getgid(), written,
           access("atmos.yaml", R_OK) ? "no clone" : "in the clone", access("/bin/sh", F_OK) ? "none" : "there");
    for (int i = 1; i < argc; i++)
        printf("[%s]", argv[i]);
    puts("");
    return 0;
}
`;

/** A repository behind a real sshd. */
function makeRepository(dir: string): void {
    mkdirSync(dir);
    writeFileSync(join(dir, 'atmos.yaml'), 'base_path: .\n');
    for (const args of [['init', '--quiet', '--initial-branch=main'], ['add', '.'], ['commit', '--quiet', '--message', 'first']])
        execFileSync('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args]);
}

describe('the image of the runner', { skip }, () => {
    const images = new Images();
    let declared: Declared;
    let files: string;
    let bare: string;

    before(async () => {
        await images.ofFiles('debian', [await debian(), '/']);
        await images.ofFiles('program', [await run('realpath', [program]), '/signalbox']);
        const tool = await compiled(images.folder, 'tool', atmos);
        await images.ofFiles('tools', [tool, '/usr/local/bin/atmos'], [tool, '/usr/bin/terraform']);
        const values = { DEBIAN: 'localhost/debian', ATMOS: 'localhost/tools' };
        await images.build('bare', values);
        await images.build('runner', values);
        declared = await images.declared('runner');
        files = await images.fileSystem('runner');
        bare = await images.fileSystem('bare');
    });
    after(() => images.end());

    test('it declares a user without rights, the port, the volume for its state, and how its health is asked', () => {
        assert.equal(declared.User, '1001:1001');
        assert.deepEqual(declared.Entrypoint, ['/usr/bin/signalbox', 'runner']);
        assert.deepEqual(Object.keys(declared.ExposedPorts), ['8080/tcp']);
        assert.deepEqual(Object.keys(declared.Volumes), ['/var/lib/atmos-runner']);
        assert.deepEqual(declared.Healthcheck.Test, ['CMD', '/usr/bin/signalbox', 'runner', '--health']);
        assert.equal(declared.StopSignal, 'SIGTERM');
    });

    test('without atmos, terraform, git and ssh it is smaller than 30 MB', () => {
        assert.ok(bytesOf(bare) < 30_000_000, `${bytesOf(bare)} bytes`);
    });

    test('it holds git and ssh, and no shell, no package manager, nothing that gives rights', () => {
        const all = [...filesOf(files)];
        const programs = all.filter((file) => /\/s?bin\/|\/git-core\//.test(file)).map((file) => file.replace(/^.*\//, ''));
        const wanted = ['atmos', 'git', 'git', 'git-remote-http', 'git-remote-https', 'signalbox', 'ssh', 'terraform'];
        assert.deepEqual(programs.toSorted(), wanted);
        const rights = all.filter((file) => (lstatSync(files + file).mode & 0o6000) !== 0);
        assert.deepEqual(rights, []);
    });

    test('its user may write nowhere but where it says so', () => {
        const own = [...filesOf(files)].filter((file) => lstatSync(files + file).uid === 1001);
        assert.deepEqual(own, []);
        for (const folder of ['/run/atmos-runner', '/var/lib/atmos-runner'])
            assert.deepEqual([lstatSync(files + folder).uid, lstatSync(files + folder).mode & 0o777], [1001, 0o700]);
    });

    test('run as it declares, on a read-only root, it clones over ssh, runs atmos, reports, is well, and stops when told to', async () => {
        const key = keyPair(join(images.folder, 'id'));
        const sshd = await Sshd.open(join(images.folder, 'sshd'), key.pub);
        const platform = new Platform();
        await platform.start();
        makeRepository(join(images.folder, 'repo'));
        const port = await freePort();
        const token = randomBytes(32).toString('hex');
        const settings = {
            RUNNER_AUTH_TOKEN: token,
            ATMOS_REPO_URL: sshd.url(join(images.folder, 'repo')),
            ATMOS_REPO_KNOWN_HOSTS: sshd.knownHosts,
            GIT_SSH_KEY: key.key,
            BIND_ADDRESS: '127.0.0.1',
            PORT: String(port),
            CALLBACK_ALLOWED_HOSTS: '127.0.0.1',
            CALLBACK_ALLOWED_PORTS: '*',
            ALLOW_PRIVATE_CALLBACK: 'true',
        };
        const inside = new Inside(files, declared, settings);
        try {
            const url = `http://127.0.0.1:${port}`;
            await until('the runner is ready', async () => {
                assert.ok(!inside.isOver, inside.log);
                return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok;
            });
            const well = new Inside(files, { ...declared, Entrypoint: declared.Healthcheck.Test.slice(1) }, settings);
            await until('its health was asked', () => well.isOver);
            assert.equal(well.code, 0, well.log);

            const runId = randomUUID();
            const signature = randomBytes(32).toString('hex');
            const body = {
                runId,
                workflow: 'provision',
                stack: 'dev',
                callbackUrl: platform.url(runId),
                callbackToken: `${runId}:${Date.now() + 3_600_000}:${signature}`,
            };
            const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
            const answer = await fetch(`${url}/dispatch`, { method: 'POST', headers, body: JSON.stringify(body) });
            assert.equal(answer.status, 202, await answer.text());
            await until('the platform has heard of it', () => platform.outcomes(runId).length > 0);
            const outcome = platform.outcomes(runId)[0]!.body;
            assert.equal(outcome['status'], 'succeeded', JSON.stringify(outcome) + inside.log);
            const log = outcome['metadata'].logTail as string;
            assert.match(log, /user 1001, group 1001, Read-only file system; in the clone; shell: none/);
            assert.match(log, /\[workflow\]\[provision\]\[--stack=dev\]/);
            assert.equal(await inside.stop(), 0, inside.log);
        } finally {
            inside.kill();
            await platform.stop();
            await sshd.close();
        }
    });
});

describe('what is deployed with it', () => {
    const service = (parse(readFileSync(join(root, 'deploy/runner/docker-compose.yml'), 'utf8')) as Compose).services.runner;
    interface Compose {
        services: { runner: Record<string, unknown> & { environment: Record<string, string> } };
    }

    test('the compose file closes what the runner does not need', () => {
        assert.equal(service['user'], '1001:1001');
        assert.equal(service['read_only'], true);
        assert.deepEqual(service['cap_drop'], ['ALL']);
        assert.deepEqual(service['security_opt'], ['no-new-privileges:true']);
        assert.ok(service['mem_limit'] && service['pids_limit']);
    });

    test('every variable of the compose file is a setting that the program knows', async () => {
        const help = await run(program, ['runner', '--help']);
        const unknown = Object.keys(service.environment).filter((name) => !new RegExp(`\\b${name}\\b`).test(help));
        assert.deepEqual(unknown, []);
    });

    test('systemd finds nothing wrong with the unit, and little that it leaves open', async () => {
        const unit = join(root, 'deploy/runner/signalbox-runner.service');
        const said = await run('systemd-analyze', ['security', '--offline=true', '--threshold=30', unit]);
        assert.match(said, /Overall exposure level for signalbox-runner\.service: [0-2]\.\d OK/);
    });
});
