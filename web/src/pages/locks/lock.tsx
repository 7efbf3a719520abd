/* One lock, wherever it is shown: its key as a link to the instance that it keeps, and the way to end it. */
import { IconLockOpen } from '@tabler/icons-react';
import type { Schemas } from '../../api/client.ts';
import { useRights, useSession } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { partsOf } from '../../logic/lock-key.ts';
import { ActButton } from '../../parts/confirm.tsx';
import { Go } from '../../parts/go.tsx';
import { repositoryNamed, type KnownRepositories } from '../../parts/repository.tsx';
import { Name } from '../../parts/text.tsx';

type Lock = Schemas['Lock'];

interface LockKeyProps {
    lock: Lock;
    repositories: KnownRepositories;
    isPlain?: boolean;
}

export function LockKey({ lock, repositories, isPlain = false }: LockKeyProps) {
    const parts = partsOf(lock.key);
    const repository = parts && repositoryNamed(repositories, parts.repository);
    if (!parts || !repository) return <Name isMono>{lock.key}</Name>;
    return (
        <Go to={paths.instance(repository.id, parts.stack, parts.component)} isPlain={isPlain}>
            <Name max={60}>{parts.component}</Name> <span className="quiet">in</span>{' '}
            <Name max={60}>{parts.stack}</Name>{' '}
            <span className="quiet">
                · <Name max={60}>{`${repository.owner}/${repository.name}`}</Name>
            </span>
        </Go>
    );
}

interface UnlockProps {
    lock: Lock;
    repositories: KnownRepositories;
    after: () => void;
}

export function Unlock({ lock, repositories, after }: UnlockProps) {
    const session = useSession();
    const parts = partsOf(lock.key);
    const repository = parts ? repositoryNamed(repositories, parts.repository) : undefined;
    const rights = useRights(repository?.id);
    const may = repository ? rights.operate : session.rights.includes('admin');
    if (!may) return null;
    // The token keeps a lock of somebody else, taken meanwhile, from being ended by mistake.
    const token = typeof lock.token === 'number' ? { token: lock.token } : {};
    return (
        <ActButton
            variant="subtle"
            size="compact-xs"
            leftSection={<IconLockOpen size={14} aria-hidden />}
            order={() => ({
                method: 'DELETE',
                path: '/api/v1/locks',
                body: { key: lock.key, ...token },
            })}
            ask={{
                title: 'End this lock?',
                word: 'Unlock',
                isGrave: true,
                text: (
                    <>
                        <p>
                            <Name isMono>{lock.key}</Name>
                        </p>
                        <p>
                            <Name>{lock.actor}</Name> keeps it
                            {lock.lockMessage === '' ? '' : ': '}
                            {lock.lockMessage !== '' && <Name max={300}>{lock.lockMessage}</Name>}.
                            What waits for it starts at once; be sure that nobody is working on it
                            any more.
                        </p>
                    </>
                ),
            }}
            done={() => 'Unlocked.'}
            after={after}
        >
            Unlock
        </ActButton>
    );
}
