/* The image of the runner, built by Debian's buildah without a daemon, in a storage of its own that goes with the test. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { freemem, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const cache = process.env['SIGNALBOX_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'signalbox');

export async function run(command: string, args: string[], options: { cwd?: string; minutes?: number } = {}): Promise<string> {
    const limits = { cwd: options.cwd ?? root, timeout: (options.minutes ?? 3) * 60_000, maxBuffer: 64 << 20 };
    const { stdout } = await execute(command, args, limits);
    return stdout.trim();
}

/** What an image says about itself: the part of its configuration that a container engine reads. */
export interface Declared {
    User: string;
    Entrypoint: string[];
    Env: string[];
    ExposedPorts: Record<string, unknown>;
    Volumes: Record<string, unknown>;
    Healthcheck: { Test: string[] };
    StopSignal: string;
}

export class Images {
    /** In memory where there is plenty: each step of a build is a copy of the whole file system. */
    readonly folder = mkdtempSync(join(freemem() > 8 * 2 ** 30 && existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'signalbox-image-'));

    private buildah(...args: string[]): Promise<string> {
        const storage = ['--storage-driver', 'vfs', '--root', join(this.folder, 'root'), '--runroot', join(this.folder, 'run')];
        return run('buildah', [...storage, ...args], { minutes: 20 });
    }

    /** An image of these files alone: pairs of a source on this machine and a place in the image; an archive is unpacked. */
    async ofFiles(name: string, ...files: [from: string, to: string][]): Promise<void> {
        const container = await this.buildah('from', 'scratch');
        for (const [from, to] of files) await this.buildah('add', '--quiet', container, from, to);
        await this.buildah('commit', '--quiet', '--rm', container, `localhost/${name}`);
    }

    /** The Dockerfile up to a stage. The program is not compiled in it again: an image that holds it takes that stage's place. */
    async build(target: string, values: Record<string, string>): Promise<void> {
        const given = Object.entries(values).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
        given.push('--build-context', 'program=container-image://localhost/program');
        const how = ['--isolation', 'chroot', '--format', 'docker', '--target', target, '--layers', '--pull-never', '--tag', `localhost/${target}`];
        await this.buildah('build', ...how, ...given, '--file', 'deploy/runner/Dockerfile', root);
    }

    async declared(name: string): Promise<Declared> {
        const inspected = JSON.parse(await this.buildah('inspect', '--type', 'image', `localhost/${name}`)) as { Docker: { config: Declared } };
        return inspected.Docker.config;
    }

    /** The folder in which the image's file system lies. */
    async fileSystem(name: string): Promise<string> {
        return this.buildah('mount', await this.buildah('from', '--pull-never', `localhost/${name}`));
    }

    end(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }
}

/** Debian as its slim images have it: no registry is asked, its own packages are. Made once. */
export async function debian(): Promise<string> {
    const archive = join(cache, 'bookworm.tar');
    if (existsSync(archive)) return archive;
    mkdirSync(cache, { recursive: true });
    const aside = `${archive}.${process.pid}.tar`;
    await run('mmdebstrap', ['--quiet', '--variant=apt', '--include=ca-certificates', 'bookworm', aside], { minutes: 20 });
    renameSync(aside, archive);
    return archive;
}

/** Stands for a program that only has to be there: linked statically, for the image has no shell to run a script with. */
export async function compiled(folder: string, name: string, source: string): Promise<string> {
    const program = join(folder, name);
    writeFileSync(`${program}.c`, source);
    await run('gcc', ['-O1', '-static', '-s', '-o', program, `${program}.c`]);
    return program;
}
