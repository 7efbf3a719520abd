/* Taking a lock: of an instance, or of any key. */
import {
    Autocomplete,
    Button,
    Group,
    Modal,
    SegmentedControl,
    Select,
    Textarea,
    TextInput,
} from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import type { Schemas } from '../../api/client.ts';
import { useOrder, usePages, useRead } from '../../api/queries.ts';
import { readSpan } from '../../logic/countdown.ts';
import { keyOf, LOCK_TTL_MAX_S, wrongInKey, wrongInMessage } from '../../logic/lock-key.ts';
import { plainName } from '../../logic/names.ts';
import { Problem } from '../../app/problem.tsx';

type Repository = Schemas['Repository'];
type Instance = Schemas['Instance'];
type Lock = Schemas['Lock'];

const spans = ['30m', '1h', '4h', '1d', '7d'];
const suggestions_max = 200;

export interface TakeProps {
    isOpen: boolean;
    /** Chosen at the start, from the page of an instance. */
    first?: { repository: string; stack: string; component: string };
    close: () => void;
    taken: (lock: Lock) => void;
}

export function TakeLock({ isOpen, close, ...more }: TakeProps) {
    return (
        <Modal opened={isOpen} onClose={close} title="Take a lock" size="lg">
            <TakeForm close={close} {...more} />
        </Modal>
    );
}

function TakeForm({ first, close, taken }: Omit<TakeProps, 'isOpen'>) {
    const [kind, setKind] = useState('instance');
    const [repository, setRepository] = useState(first?.repository ?? '');
    const [stack, setStack] = useState(first?.stack ?? '');
    const [component, setComponent] = useState(first?.component ?? '');
    const [typedKey, setTypedKey] = useState('');
    const [span, setSpan] = useState('1h');
    const [message, setMessage] = useState('');
    const [isTried, setTried] = useState(false);

    const repositories = usePages<Repository>(
        { path: '/api/v1/repositories', on: ['repositories'] },
        500,
    );
    const instances = useRead<{ items: Instance[] }>({
        path: '/api/v1/instances',
        query: { repo: repository, limit: 500 },
        on: ['instances'],
        enabled: repository !== '' && kind === 'instance',
    });
    const known = instances.data?.items ?? [];
    const unique = (texts: string[]) => [...new Set(texts)].slice(0, suggestions_max);

    const key = kind === 'instance' ? keyOf(repository, stack, component) : typedKey;
    const ttl = readSpan(span, 1, LOCK_TTL_MAX_S);
    const wrongs = {
        repository: kind === 'instance' && repository === '' ? 'Choose one.' : null,
        stack:
            kind !== 'instance'
                ? null
                : stack.trim() === ''
                  ? 'Which stack?'
                  : stack.includes('/')
                    ? 'A stack has no slash.'
                    : null,
        component: kind === 'instance' && component.trim() === '' ? 'Which component?' : null,
        key: wrongInKey(key),
        ttl: 'wrong' in ttl ? ttl.wrong : null,
        message: wrongInMessage(message),
    };
    const isWrong = Object.values(wrongs).some((wrong) => wrong !== null);
    const take = useOrder<Lock>(
        () => ({
            method: 'POST',
            path: '/api/v1/locks',
            body: {
                key,
                ttl: 'seconds' in ttl ? ttl.seconds : 0,
                ...(message.trim() === '' ? {} : { lockMessage: message.trim() }),
            },
        }),
        (lock) => {
            notifications.show({
                title: 'Confirmed',
                color: 'green',
                message: `Locked: ${plainName(lock.key)}`,
            });
            taken(lock);
            close();
        },
    );
    const shown = (wrong: string | null) => (isTried ? wrong : null);
    return (
        <form
            className="stacked"
            onSubmit={(event) => {
                event.preventDefault();
                setTried(true);
                if (!isWrong) take.mutate();
            }}
        >
            <SegmentedControl
                aria-label="What to lock"
                data={[
                    { value: 'instance', label: 'An instance' },
                    { value: 'key', label: 'Any key' },
                ]}
                value={kind}
                onChange={setKind}
            />
            {kind === 'instance' ? (
                <>
                    <Select
                        label="Repository"
                        searchable
                        data={repositories.items.map((one) => `${one.owner}/${one.name}`)}
                        value={repository === '' ? null : repository}
                        error={shown(wrongs.repository)}
                        onChange={(value) => setRepository(value ?? '')}
                    />
                    <Group grow align="flex-start">
                        <Autocomplete
                            size="xs"
                            label="Stack"
                            data={unique(known.map((one) => one.stack))}
                            value={stack}
                            error={shown(wrongs.stack)}
                            onChange={setStack}
                        />
                        <Autocomplete
                            size="xs"
                            label="Component"
                            data={unique(
                                known
                                    .filter((one) => stack === '' || one.stack === stack)
                                    .map((one) => one.component),
                            )}
                            value={component}
                            error={shown(wrongs.component)}
                            onChange={setComponent}
                        />
                    </Group>
                </>
            ) : (
                <TextInput
                    label="Key"
                    description="owner/repository/stack/component keeps an instance; any other text is for your own scripts."
                    value={typedKey}
                    error={typedKey === '' ? shown(wrongs.key) : wrongs.key}
                    onChange={(event) => setTypedKey(event.currentTarget.value)}
                />
            )}
            <Group align="flex-end" gap="xs">
                <TextInput
                    label="For how long"
                    w={110}
                    value={span}
                    error={wrongs.ttl}
                    onChange={(event) => setSpan(event.currentTarget.value)}
                />
                <SegmentedControl
                    aria-label="Usual times"
                    data={spans}
                    value={spans.includes(span) ? span : ''}
                    onChange={setSpan}
                />
            </Group>
            <Textarea
                label="Why"
                description="Who waits for it reads this."
                autosize
                minRows={2}
                maxRows={6}
                value={message}
                error={wrongs.message}
                onChange={(event) => setMessage(event.currentTarget.value)}
            />
            {take.error && <Problem error={take.error} />}
            <Group justify="flex-end" gap="xs">
                <Button variant="default" onClick={close}>
                    Cancel
                </Button>
                <Button type="submit" loading={take.isPending} disabled={isTried && isWrong}>
                    Take the lock
                </Button>
            </Group>
        </form>
    );
}
