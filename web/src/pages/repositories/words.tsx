/* Short facts of a repository, for the list and for its page. */
import { Status } from '../../parts/status.tsx';
import type { Repository } from '../../parts/repository.tsx';

export function FileState({ repository }: { repository: Repository }) {
    const { settings, wrong } = repository.settingsFile;
    const count = Object.keys(settings).length;
    if (wrong !== '') return <Status state="error" word="not usable" />;
    if (count === 0) return <span className="quiet">none</span>;
    return <span>{count === 1 ? '1 setting' : `${count} settings`}</span>;
}

export function RemovedNote({ repository }: { repository: Repository }) {
    if (repository.removedAt === null) return null;
    return <span className="badge">removed</span>;
}
