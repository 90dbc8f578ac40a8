/* The page "Disk", for configurations whose layout for disko makes the disk: which disk, what is lost, the name of the disk to
 * confirm, a passphrase. It only asks: the job compares all of this with the machine before it erases anything.
 * Calamares 3.3 and 3.4. */

import QtQuick 2.15
import QtQuick.Controls 2.15
import QtQuick.Layouts 1.15
import io.calamares.core 1.0 as Core
import io.calamares.ui 1.0 as Ui
import "NixCfgDisks.js" as Machine
import "NixCfgLayouts.js" as Iso

Rectangle {
    id: page

    property string host: ""
    property var layout: ({
            "disks": [],
            "asks": false
        })
    // What has to be done before the next page; empty when everything is.
    property string lacking: ""
    // Where Calamares shows this page.
    property int step: -1
    // What Calamares' signal has before whether "Next" is enabled: nothing in 3.3, the step in 3.4.
    property var before: []

    color: "#ffffff"

    // Calamares calls it when it shows the page, also after a way back to the page of the hosts.
    function onActivate() {
        step = Ui.ViewManager.currentStepIndex;
        const chosen = Core.Global.value("packagechooser_host");
        const name = chosen && chosen in Iso.layouts ? chosen : "";
        if (name !== host || layout.disks.length === 0) {
            host = name;
            layout = Iso.layouts[name] || {
                "disks": [],
                "asks": false
            };
            passphrase.text = again.text = "";
        }
        Qt.callLater(refresh);
    }

    // A module with QML lets everybody on: only the signal reaches the button.
    function setNext() {
        if (Ui.ViewManager.currentStepIndex === step)
            Ui.ViewManager.nextEnabledChanged(...before, lacking === "");
    }

    Connections {
        target: Ui.ViewManager

        function onNextEnabledChanged() {
            page.before = Array.from(arguments).slice(0, -1);
            if (arguments[arguments.length - 1] && page.lacking !== "")
                Qt.callLater(page.setNext);
        }
    }

    function refresh() {
        lacking = whatLacks();
        config.packageChoice = lacking === "" ? choice() : "";
        setNext();
    }

    function whatLacks() {
        const devices = [];
        for (let i = 0; i < wanted.count; ++i) {
            const one = wanted.itemAt(i);
            if (!one || !one.disk)
                return "Choose a disk" + one_of_several(i) + ".";
            if (devices.includes(one.disk.device))
                return one.disk.name + " cannot be two disks of the layout.";
            devices.push(one.disk.device);
            if (one.disk.holds.length > 0 && one.typed !== one.disk.name)
                return "Type " + one.disk.name + " to confirm.";
        }
        if (wanted.count === 0)
            return "The configuration names no disk.";
        if (layout.asks && passphrase.text === "")
            return "Type a passphrase for the encryption.";
        if (layout.asks && passphrase.text !== again.text)
            return "The passphrases are not the same.";
        return "";
    }

    function one_of_several(index) {
        return layout.disks.length > 1 ? " for " + layout.disks[index].name : "";
    }

    // For the page of the summary, and in a comment for the job: the summary shows all of it as HTML.
    function choice() {
        const disks = {};
        const words = [];
        for (let i = 0; i < wanted.count; ++i) {
            const one = wanted.itemAt(i);
            disks[layout.disks[i].name] = {
                "shown": one.disk,
                "typed": one.typed
            };
            const fate = layout.disks[i].destroy ? " is erased" : " is changed";
            words.push(one.disk.name + " (" + one.disk.model + ", " + one.disk.size + ")" + fate + one_of_several(i));
        }
        const all = {
            "host": host,
            "disks": disks,
            "passphrase": layout.asks ? passphrase.text : null
        };
        const json = JSON.stringify(all).replace(/[-<>&]/g, c => "\\u00" + c.charCodeAt(0).toString(16));
        return words.join(", ").replace(/[<>&]/g, " ") + "<!--" + json + "-->";
    }

    ScrollView {
        anchors.fill: parent
        anchors.margins: 12
        anchors.bottomMargin: 40
        contentWidth: availableWidth

        ColumnLayout {
            width: parent.width
            spacing: 10

            Label {
                Layout.fillWidth: true
                wrapMode: Text.WordWrap
                text: "The configuration" + (page.host === "" ? "" : " of " + page.host) + " makes its own partitions. What you choose here is erased for them when the installation begins."
            }

            Label {
                Layout.fillWidth: true
                wrapMode: Text.WordWrap
                visible: Machine.disks.length === 0
                text: "This machine has no disk that can be erased: the medium of this installer, sticks and cards are not offered. Connect one, and start the installer again."
            }

            Repeater {
                id: wanted

                model: page.layout.disks

                ColumnLayout {
                    id: choosing

                    required property var modelData
                    property var disk: null
                    property alias typed: confirmation.text

                    Layout.fillWidth: true
                    spacing: 4

                    Label {
                        visible: page.layout.disks.length > 1
                        font.bold: true
                        text: "Disk " + choosing.modelData.name
                    }

                    Repeater {
                        model: Machine.disks

                        RadioButton {
                            id: offer

                            required property var modelData

                            enabled: modelData.uses.length === 0
                            checked: enabled && Machine.disks.length === 1
                            text: modelData.name + ": " + modelData.model + ", " + modelData.size + " (" + modelData.device + ")" + (enabled ? "" : ", in use: " + modelData.uses.join(", "))
                            onCheckedChanged: if (checked) {
                                choosing.disk = modelData;
                                choosing.typed = "";
                                Qt.callLater(page.refresh);
                            }
                            Component.onCompleted: if (checked)
                                choosing.disk = modelData
                        }
                    }

                    Label {
                        Layout.fillWidth: true
                        visible: choosing.disk !== null
                        wrapMode: Text.WrapAtWordBoundaryOrAnywhere
                        textFormat: Text.PlainText
                        color: choosing.disk !== null && choosing.disk.holds.length > 0 ? "#a80000" : "#000000"
                        text: {
                            if (choosing.disk === null)
                                return "";
                            if (choosing.disk.holds.length === 0)
                                return choosing.disk.name + " is empty.";
                            return (choosing.modelData.destroy ? "All of this is lost:\n" : "This is changed:\n") + choosing.disk.holds.join("\n");
                        }
                    }

                    RowLayout {
                        visible: choosing.disk !== null && choosing.disk.holds.length > 0

                        Label {
                            text: choosing.disk === null ? "" : "To confirm, type " + choosing.disk.name + ":"
                        }

                        TextField {
                            id: confirmation

                            Layout.preferredWidth: 200
                            Accessible.name: "The name of the disk"
                            onTextChanged: Qt.callLater(page.refresh)
                        }
                    }
                }
            }

            GridLayout {
                visible: page.layout.asks
                columns: 2

                Label {
                    text: "Passphrase for the encryption:"
                }

                TextField {
                    id: passphrase

                    Layout.preferredWidth: 280
                    echoMode: TextInput.Password
                    onTextChanged: Qt.callLater(page.refresh)
                }

                Label {
                    text: "The same again:"
                }

                TextField {
                    id: again

                    Layout.preferredWidth: 280
                    echoMode: TextInput.Password
                    onTextChanged: Qt.callLater(page.refresh)
                }
            }
        }
    }

    Label {
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.bottom: parent.bottom
        anchors.margins: 12
        font.bold: true
        text: page.lacking
    }
}
