import { Empty, Page } from '../../parts/page.tsx';

export default function Change() {
    return (
        <Page title="Change">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
