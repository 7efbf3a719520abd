/* Runs the file system of an image as a container engine would: read-only, as its user, without rights, with the places to write that the compose file gives. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Declared } from './buildah.ts';

export class Inside {
    private readonly child: ChildProcess;
    private said = '';

    constructor(files: string, declared: Declared, settings: Record<string, string>) {
        const env = declared.Env.flatMap((entry) => ['--setenv', entry.replace(/=.*/s, ''), entry.replace(/^[^=]*=/s, '')]);
        const [user, group] = declared.User.split(':') as [string, string];
        const mounts = ['--ro-bind', files, '/', '--proc', '/proc', '--dev', '/dev'];
        const places = ['/tmp', '/run/atmos-runner', ...Object.keys(declared.Volumes)].flatMap((place) => ['--tmpfs', place]);
        const rights = ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--uid', user, '--gid', group, '--cap-drop', 'ALL'];
        const life = ['--as-pid-1', '--die-with-parent', '--new-session', '--clearenv', ...env];
        const told = Object.entries(settings).flatMap(([name, value]) => ['--setenv', name, value]);
        const args = [...rights, ...mounts, ...places, ...life, ...told, '--', ...declared.Entrypoint];
        this.child = spawn('bwrap', ['--info-fd', '3', ...args], { cwd: '/', stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
        for (const stream of [this.child.stdout!, this.child.stderr!])
            stream.setEncoding('utf8').on('data', (text: string) => (this.said += text));
        (this.child.stdio[3] as NodeJS.ReadableStream).setEncoding('utf8').on('data', (text: string) => (this.info += text));
    }

    private info = '';

    get log(): string {
        return this.said;
    }

    get isOver(): boolean {
        return this.child.exitCode !== null || this.child.signalCode !== null;
    }

    get code(): number | null {
        return this.child.exitCode;
    }

    /** As an engine stops it: the program is the first process of its namespace. */
    async stop(): Promise<number | null> {
        const gone = new Promise<number | null>((done) => this.child.once('exit', done));
        process.kill((JSON.parse(this.info) as { 'child-pid': number })['child-pid'], 'SIGTERM');
        return gone;
    }

    kill(): void {
        if (!this.isOver) this.child.kill('SIGKILL');
    }
}
