/* What somebody is to take along: a button, or a box that shows it once. */
import { Button, CopyButton, Group, type ButtonProps } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';

interface CopyProps extends Pick<ButtonProps, 'variant'> {
    text: string;
    word?: string;
}

export function Copy({ text, word = 'Copy', ...look }: CopyProps) {
    return (
        <CopyButton value={text}>
            {({ copied, copy }) => (
                <Button
                    {...look}
                    onClick={copy}
                    leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
                >
                    {copied ? 'Copied' : word}
                </Button>
            )}
        </CopyButton>
    );
}

/** The end of a dialogue that made a secret. */
export function CopyBox({ done, ...copy }: CopyProps & { done: () => void }) {
    return (
        <>
            <code className="copy">{copy.text}</code>
            <Group justify="flex-end" gap={8}>
                <Copy {...copy} />
                <Button variant="default" onClick={done}>
                    Done
                </Button>
            </Group>
        </>
    );
}
